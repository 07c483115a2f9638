-- Where do people drop out on the way to a purchase, and did a release change that?
--
-- Columns: version, people who tried the first step, and how many of them got through it, through the second and through the third, each
-- within half an hour of the one before; the share that came all the way with its 95 % interval.
-- Caveats: counts people, each once a release, by their first success of each step; the metric `journey_step_ratio` counts runs, and needs a
-- [[journey]] in the configuration. A release is that of the first step. Change the product, the names of the steps and the half hour.

WITH step AS (
  SELECT user_id, version, task, outcome, time
  FROM attempts
  WHERE product = 'shop' AND user_id IS NOT NULL AND version IS NOT NULL
),
tried AS (
  SELECT user_id, version FROM step WHERE task = 'search' GROUP BY user_id, version
),
first_step AS (
  SELECT user_id, version, min(time) AS at FROM step WHERE task = 'search' AND outcome = 'success' GROUP BY user_id, version
),
second_step AS (
  SELECT f.user_id, f.version, min(s.time) AS at
  FROM first_step f JOIN step s
    ON s.user_id = f.user_id AND s.task = 'add_to_cart' AND s.outcome = 'success'
    AND s.time BETWEEN f.at AND f.at + INTERVAL 30 MINUTE
  GROUP BY f.user_id, f.version
),
third_step AS (
  SELECT f.user_id, f.version
  FROM second_step f JOIN step s
    ON s.user_id = f.user_id AND s.task = 'checkout' AND s.outcome = 'success'
    AND s.time BETWEEN f.at AND f.at + INTERVAL 30 MINUTE
  GROUP BY f.user_id, f.version
),
counted AS (
  SELECT
    t.version,
    count(*) AS tried,
    count(f.user_id) AS found,
    count(s.user_id) AS in_cart,
    count(l.user_id) AS bought
  FROM tried t
  LEFT JOIN first_step f ON f.user_id = t.user_id AND f.version = t.version
  LEFT JOIN second_step s ON s.user_id = t.user_id AND s.version = t.version
  LEFT JOIN third_step l ON l.user_id = t.user_id AND l.version = t.version
  GROUP BY t.version
)
SELECT
  version, tried, found, in_cart, bought,
  round(bought / tried, 3) AS completion,
  round(wilson_lower(bought, tried), 3) AS lower,
  round(wilson_upper(bought, tried), 3) AS upper
FROM counted
WHERE tried >= 30
ORDER BY version;

-- Do people come back? Of those who were first seen on a day, the share that used the product again on the 1st, 3rd and 7th day after.
--
-- Columns: cohort (the day of the first use, UTC), users in it, share that was active 1, 3 and 7 days later, and the 95 % interval of the
-- last.
-- Caveats: use is telemetry (tasks, errors, interactions) with a user_id; whoever stays anonymous is in no cohort. "First" means first in
-- these tables: the cohorts of the first days of a history hold everybody who was there before. A day that is not over in the tables is
-- null, not low. For cohorts by sign-up, take the time of `signed_up` in place of the first use.

WITH used AS (
  SELECT DISTINCT user_id, CAST(time AT TIME ZONE 'UTC' AS DATE) AS day
  FROM events
  WHERE user_id IS NOT NULL
    AND type IN ('task_started', 'task_finished', 'task_abandoned', 'error', 'interaction')
),
cohorts AS (
  SELECT user_id, min(day) AS cohort FROM used GROUP BY user_id
),
counted AS (
  SELECT
    cohort,
    count(DISTINCT user_id) AS users,
    count(*) FILTER (WHERE day = cohort + 1) AS back_1,
    count(*) FILTER (WHERE day = cohort + 3) AS back_3,
    count(*) FILTER (WHERE day = cohort + 7) AS back_7
  FROM cohorts JOIN used USING (user_id)
  GROUP BY cohort
),
ended AS (
  SELECT max(day) AS last_day FROM used
)
SELECT
  cohort,
  users,
  CASE WHEN cohort + 1 < last_day THEN round(back_1 / users, 3) END AS day_1,
  CASE WHEN cohort + 3 < last_day THEN round(back_3 / users, 3) END AS day_3,
  CASE WHEN cohort + 7 < last_day THEN round(back_7 / users, 3) END AS day_7,
  CASE WHEN cohort + 7 < last_day THEN round(wilson_lower(back_7, users), 3) END AS day_7_lower,
  CASE WHEN cohort + 7 < last_day THEN round(wilson_upper(back_7, users), 3) END AS day_7_upper
FROM counted, ended
ORDER BY cohort;

-- Which tasks send people to support? The share of people who opened a ticket within a day after failing or giving up a task, beside those
-- who only succeeded in it.
--
-- Columns: product, task, people with a failed or abandoned attempt, share of them who opened a ticket within 24 hours after their first one,
-- its 95 % interval, and the same share after the first success for people who only succeeded.
-- Caveats: needs a user_id on attempts and on tickets. One ticket may follow friction in several tasks and counts for each. Goes together, not
-- causes.

WITH people AS (
  SELECT
    product, task, user_id,
    min(time) FILTER (WHERE outcome <> 'success') AS failed,
    min(time) AS tried
  FROM attempts
  WHERE user_id IS NOT NULL
  GROUP BY product, task, user_id
),
asked AS (
  SELECT
    product, task, failed IS NOT NULL AS had_friction,
    EXISTS (
      SELECT 1 FROM events e
      WHERE e.type = 'ticket_opened' AND e.user_id = people.user_id AND e.product = people.product
        AND e.time >= coalesce(failed, tried) AND e.time < coalesce(failed, tried) + INTERVAL 24 HOUR
    ) AS ticket
  FROM people
),
counted AS (
  SELECT
    product, task,
    count(*) FILTER (WHERE had_friction) AS n,
    count(*) FILTER (WHERE had_friction AND ticket) AS k,
    count(*) FILTER (WHERE NOT had_friction) AS n_calm,
    count(*) FILTER (WHERE NOT had_friction AND ticket) AS k_calm
  FROM asked
  GROUP BY product, task
)
SELECT
  product, task,
  n AS people_with_friction,
  round(k / n, 3) AS asked_support,
  round(wilson_lower(k, n), 3) AS lower,
  round(wilson_upper(k, n), 3) AS upper,
  n_calm AS people_without,
  round(k_calm / n_calm, 3) AS asked_support_without
FROM counted
WHERE n >= 30 AND n_calm >= 30
ORDER BY k / n DESC, product, task;

-- Did a release make a task better or worse than the release before it?
--
-- Columns: product, task, version, its attempts and their success, the change against the version before, the 95 % interval of that change
-- (Newcombe's hybrid score, from the Wilson intervals of both), and a verdict where the interval leaves out zero.
-- Caveats: releases are ordered by when they were first seen, not by their name. Early users of a release are not like the rest, so a verdict
-- in the first hours is about them. Of many comparisons some are outside their interval by chance alone: 1 of 20.

WITH released AS (
  SELECT product, version, min(time) AS seen
  FROM attempts
  WHERE version IS NOT NULL
  GROUP BY product, version
),
counted AS (
  SELECT a.product, a.task, a.version, r.seen, count(*) AS n, count(*) FILTER (WHERE a.outcome = 'success') AS k
  FROM attempts a JOIN released r ON r.product = a.product AND r.version = a.version
  GROUP BY ALL
  HAVING count(*) >= 30
),
compared AS (
  SELECT
    *,
    lag(k) OVER releases AS k_before,
    lag(n) OVER releases AS n_before
  FROM counted
  WINDOW releases AS (PARTITION BY product, task ORDER BY seen)
),
bounded AS (
  SELECT
    *,
    k / n - k_before / n_before AS change,
    sqrt((k / n - wilson_lower(k, n)) ** 2 + (wilson_upper(k_before, n_before) - k_before / n_before) ** 2) AS below,
    sqrt((wilson_upper(k, n) - k / n) ** 2 + (k_before / n_before - wilson_lower(k_before, n_before)) ** 2) AS above
  FROM compared
  WHERE n_before IS NOT NULL
)
SELECT
  product, task, version, n AS attempts,
  round(k / n, 3) AS success,
  round(change, 3) AS change,
  round(change - below, 3) AS lower,
  round(change + above, 3) AS upper,
  CASE WHEN change - below > 0 THEN 'better' WHEN change + above < 0 THEN 'worse' ELSE '' END AS verdict
FROM bounded
ORDER BY change + above, product, task, version;

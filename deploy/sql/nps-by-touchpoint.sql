-- How likely are people to recommend us, by where they were asked, and how sure is that?
--
-- Columns: product, where they were asked (a touchpoint, in the product or after a task, or about the brand as a whole), NPS, its 95 %
-- interval (adjusted Wald), and the number of answers.
-- Caveats: the three kinds of NPS are different questions and are not to be averaged. With few answers the interval is as wide as the scale:
-- that is the message, not a flaw. The window is the `7d` with the most answers, so that a replay shows something; for a report take the
-- newest one (`window_end = (SELECT max(window_end) ...)`). Windows slide: do not add up their rows.

WITH asked AS (
  SELECT window_end, product, 'touchpoint: ' || touchpoint AS asked, value, lower, upper, n
  FROM metrics
  WHERE metric = 'touchpoint_nps' AND "window" = '7d' AND "grouping" = 'product+touchpoint' AND touchpoint IS NOT NULL
  UNION ALL
  SELECT window_end, product, CASE metric WHEN 'nps' THEN 'brand' ELSE 'in the product' END, value, lower, upper, n
  FROM metrics
  WHERE metric IN ('nps', 'product_nps') AND "window" = '7d' AND "grouping" = 'product'
),
busiest AS (
  SELECT window_end FROM asked GROUP BY window_end ORDER BY sum(n) DESC, window_end LIMIT 1
)
SELECT product, asked, round(value, 1) AS nps, round(lower, 1) AS lower, round(upper, 1) AS upper, n AS answers
FROM asked JOIN busiest USING (window_end)
ORDER BY product, asked;

-- Does friction in the product go with contacting support, leaving, and bad scores?
--
-- Columns: product, what is compared, how many times as often it happens to people who met friction (a failed or abandoned attempt, or errors)
-- as to people who did not, the 95 % interval of that, the number of people, and whether chance explains it.
-- Caveats: goes together, not causes: people with more use meet more of everything. Order within the window is not looked at;
-- friction-to-tickets.sql does that. The window is the `7d` with the most people; for a report take the newest.

WITH links AS (
  SELECT window_end, product, metric, value, lower, upper, n
  FROM metrics
  WHERE metric IN ('contact_friction_lift', 'churn_friction_lift', 'detractor_friction_lift') AND "window" = '7d' AND "grouping" = 'product'
),
busiest AS (
  SELECT window_end FROM links GROUP BY window_end ORDER BY sum(n) DESC, window_end LIMIT 1
)
SELECT
  product,
  CASE metric
    WHEN 'contact_friction_lift' THEN 'asked support'
    WHEN 'churn_friction_lift' THEN 'left'
    ELSE 'gave an NPS score of 0 to 6'
  END AS people_who,
  round(value, 2) AS times_as_often,
  round(lower, 2) AS lower,
  round(upper, 2) AS upper,
  n AS people,
  CASE WHEN lower > 1 THEN 'more than chance' WHEN upper < 1 THEN 'less than chance' ELSE 'chance may explain it' END AS verdict
FROM links JOIN busiest USING (window_end)
ORDER BY product, people_who;

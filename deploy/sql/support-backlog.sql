-- How many support tickets are open at the end of each day, and how long have they been waiting?
--
-- Columns: day (UTC), tickets opened and resolved on it (a reopening opens again), tickets open at its end, how many of those have been open
-- for more than a day, and the age of the oldest in hours.
-- Caveats: the age is counted from the last opening or reopening. Tickets that were opened before the tables begin are not seen. The last
-- day is as far as the tables go.

WITH changes AS (
  SELECT ticket_id, time, type <> 'ticket_resolved' AS opens
  FROM events
  WHERE type IN ('ticket_opened', 'ticket_reopened', 'ticket_resolved')
),
turned AS (
  -- Only what changes the state: a second resolution resolves nothing.
  SELECT ticket_id, time, opens
  FROM changes
  QUALIFY opens IS DISTINCT FROM coalesce(lag(opens) OVER (PARTITION BY ticket_id ORDER BY time, opens DESC), false)
),
spans AS (
  SELECT ticket_id, opens, time AS opened, lead(time) OVER (PARTITION BY ticket_id ORDER BY time, opens DESC) AS resolved
  FROM turned
  QUALIFY opens
),
days AS (
  SELECT unnest(generate_series(
    date_trunc('day', min(time) AT TIME ZONE 'UTC'),
    date_trunc('day', max(time) AT TIME ZONE 'UTC'),
    INTERVAL 1 DAY)) AT TIME ZONE 'UTC' AS begins
  FROM events
)
SELECT
  CAST(begins AT TIME ZONE 'UTC' AS DATE) AS day,
  count(*) FILTER (WHERE opened >= begins) AS opened,
  count(*) FILTER (WHERE resolved >= begins AND resolved < begins + INTERVAL 1 DAY) AS resolved,
  count(*) FILTER (WHERE open_at_end) AS open,
  count(*) FILTER (WHERE open_at_end AND opened < begins) AS over_a_day,
  round(max(epoch(begins + INTERVAL 1 DAY) - epoch(opened)) FILTER (WHERE open_at_end) / 3600, 1) AS oldest_hours
FROM (
  SELECT *, opened IS NOT NULL AND (resolved IS NULL OR resolved >= begins + INTERVAL 1 DAY) AS open_at_end
  FROM days LEFT JOIN spans ON opened < begins + INTERVAL 1 DAY AND (resolved IS NULL OR resolved >= begins)
)
GROUP BY begins
ORDER BY begins;

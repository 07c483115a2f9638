-- What the queries beside this file read: run it first, in the directory of the output.
--
--     cd /var/lib/tidegauge && duckdb -init views.sql
--
-- For a bucket, put its URL before the paths (`s3://bucket/prefix/metrics/**/*.parquet`). In another warehouse, make these three views over
-- its external tables; the queries keep to names that they define, and to SQL that most warehouses know.
--
-- Caveats: `metrics` holds the newest revision of each row, without those that a correction took back. Name the dimensions of your own
-- groupings in its PARTITION BY. An event that came too late for its window is in the table `late`, and in none of these.

CREATE OR REPLACE VIEW metrics AS
WITH newest AS (
  SELECT *
  FROM read_parquet('metrics/**/*.parquet', hive_partitioning = true, union_by_name = true)
  QUALIFY revision = max(revision) OVER (
    PARTITION BY "window", window_start, "grouping", product, task, platform, channel, version, touchpoint, metric, stat, label)
)
SELECT * FROM newest WHERE value IS NOT NULL;

CREATE OR REPLACE VIEW events AS
SELECT * FROM read_parquet('events/**/*.parquet', hive_partitioning = true, union_by_name = true);

CREATE OR REPLACE VIEW attempts AS
SELECT * FROM read_parquet('attempts/**/*.parquet', hive_partitioning = true, union_by_name = true);

-- The ends of the 95 % Wilson score interval of k out of n, as in the metrics themselves.
CREATE OR REPLACE MACRO wilson_lower(k, n) AS
  greatest(0, (k + 1.920729 - 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459));

CREATE OR REPLACE MACRO wilson_upper(k, n) AS
  least(1, (k + 1.920729 + 1.959964 * sqrt(k * (n - k) / n + 0.960365)) / (n + 3.841459));

//! What Prometheus' own tool says of the page.

use std::io::Write;
use std::process::{Command, Stdio};

use tidegauge_sink::gauges::Format;

use crate::support::{CATALOGUE, everything, operational, page};

#[test]
fn promtool_has_no_complaint_about_a_page_with_every_family() {
    let page = page(100_000);
    page.observe(operational());
    page.publish(everything());
    let text = page.render(Format::Text).unwrap();
    for (name, ..) in CATALOGUE {
        assert!(
            text.contains(&format!("# TYPE tidegauge_{name} gauge\n")),
            "{name} is not on the page"
        );
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing; install it: apt-get install prometheus");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success() && said.is_empty(), "{said}");
}

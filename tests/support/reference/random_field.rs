//! Fields of random events: the many ways to write the same thing, and the ways to get it wrong.

use super::random::Random;

pub const TOUCHPOINTS: [&str; 3] = ["checkout", "help_center", ""];

/// Members of an object as JSON text, in order.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

/// JSON text of a string.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

impl Fields {
    /// Sets a member to JSON text.
    pub fn raw(&mut self, name: &str, json: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), json.to_owned()));
    }

    /// Sets a member to a string.
    pub fn text_field(&mut self, name: &str, text: &str) {
        self.raw(name, &quoted(text));
    }

    /// Sets a member to a string unless it is there.
    pub fn add(&mut self, name: &str, text: &str) {
        if !self.0.iter().any(|(known, _)| known == name) {
            self.text_field(name, text);
        }
    }

    /// The object, its members in random order, now and then one twice (the last counts) or written with escapes.
    pub fn text(&self, random: &mut Random) -> String {
        let mut members = self.0.clone();
        random.shuffle(&mut members);
        if random.chance(5) {
            let (name, _) = random.pick(&members);
            members.insert(0, (name, random.pick(&["null", "17", "\"x\"", "[[]]"]).to_owned()));
        }
        let space = if random.chance(20) { " \n" } else { "" };
        let escape = random.chance(5);
        let name = |name: &str| if escape { name.replace('t', "\\u0074") } else { name.to_owned() };
        let members: Vec<String> = members
            .iter()
            .map(|(n, json)| format!("\"{}\"{space}:{space}{json}", name(n)))
            .collect();
        format!("{space}{{{}}}{space}", members.join(&format!("{space},{space}")))
    }

    fn drop(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }
}

/// Sets a member to one of these in some percent of the cases.
pub fn maybe(random: &mut Random, event: &mut Fields, percent: u64, name: &str, values: &[&str]) {
    if random.chance(percent) {
        let value = random.pick(values);
        event.add(name, value);
    }
}

/// A time in one of the ways to write it.
pub fn time(random: &mut Random, ms: i64) -> String {
    if random.chance(50) {
        return ms.to_string();
    }
    let offset = random.pick(&[0, 0, 120, -330, 1_439, -1_439]);
    let local = ms + offset * 60_000;
    let days = local.div_euclid(86_400_000);
    let (mut year, mut day) = (1970, days);
    let length = |y: i64| if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) { 366 } else { 365 };
    while day < 0 {
        year -= 1;
        day += length(year);
    }
    while day >= length(year) {
        day -= length(year);
        year += 1;
    }
    let february = if length(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    let of_day = local.rem_euclid(86_400_000);
    let (hour, minute, millis) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day % 1_000);
    let fraction = match random.below(3) {
        0 if millis == 0 => String::new(),
        0 => format!(".{millis:03}"),
        1 => format!(".{millis:03}999999"),
        _ => format!(".{millis:03}0"),
    };
    let zone = match offset {
        0 => random.pick(&["Z", "z", "+00:00", "-00:00"]).to_owned(),
        _ => format!(
            "{}{:02}:{:02}",
            if offset < 0 { '-' } else { '+' },
            offset.abs() / 60,
            offset.abs() % 60
        ),
    };
    // Second 60 is the second that follows, in any minute.
    let (minute, second) = match of_day / 1_000 % 60 {
        0 if minute > 0 && random.chance(50) => (minute - 1, 60),
        second => (minute, second),
    };
    let between = random.pick(&["T", "t", " "]);
    format!(
        "\"{year:04}-{month:02}-{:02}{between}{hour:02}:{minute:02}:{second:02}{fraction}{zone}\"",
        day + 1
    )
}

/// Attributes with all kinds of values.
pub fn attributes(random: &mut Random) -> String {
    let long = quoted(&format!("{}é", "x".repeat(127)));
    let plans = ["\"free\"", "\"pro\"", "\"\"", "null", "1", "1.0", "true", &long];
    let sizes = ["1", "1.0", "-0", "1e3", "false", "\"1\""];
    match random.below(4) {
        0 => format!("{{\"plan\":{}}}", random.pick(&plans)),
        1 => format!("{{\"size\":{},\"plan\":{}}}", random.pick(&sizes), random.pick(&plans)),
        2 => format!("{{\"plan\":[1],\"other\":\"x\",\"plan\":{}}}", random.pick(&plans)),
        _ => "{}".to_owned(),
    }
}

/// An amount as a number or a string.
pub fn amount(random: &mut Random) -> String {
    let amounts = [
        "19.99",
        "\"19.99\"",
        "5",
        "1e3",
        "0",
        "-0.0",
        "0.0000005",
        "0.00000049",
        "\"007.10\"",
        "1000000000000000",
        "12.5E-1",
        "\"3\"",
    ];
    if random.chance(40) {
        format!("{}.{:02}", random.below(200), random.below(100))
    } else {
        random.pick(&amounts).to_owned()
    }
}

/// `survey_shown` or `survey_response`.
pub fn survey(random: &mut Random, event: &mut Fields) {
    let instrument = random.pick(&["nps", "nps", "nps", "csat", "ces", "sus", "seq"]);
    event.text_field("instrument", instrument);
    maybe(random, event, 70, "scope", &["brand", "product", "task", "touchpoint"]);
    maybe(random, event, 50, "task", &["search", "cart", "pay", "ask"]);
    maybe(random, event, 60, "touchpoint", &TOUCHPOINTS);
    if random.chance(25) {
        return event.text_field("type", "survey_shown");
    }
    event.text_field("type", "survey_response");
    let score = match instrument {
        "nps" => random.pick(&["0", "3", "6", "7", "8", "9", "10", "9.0", "1e1", "60e-1"]),
        "csat" => random.pick(&["1", "2", "3", "4", "5", "4.0"]),
        "sus" => random.pick(&["0", "100", "67.5", "33.3333333", "0.00000051", "99.99999999"]),
        _ => random.pick(&["1", "2", "4", "5", "6", "7"]),
    };
    if instrument == "sus" && random.chance(60) {
        let answers: Vec<String> = (0..10).map(|_| random.range(1, 5).to_string()).collect();
        event.raw("answers", &format!("[{}]", answers.join(",")));
        if random.chance(70) {
            return;
        }
    }
    event.raw("score", score);
}

/// `feedback` with a text, a sentiment or both.
pub fn feedback(random: &mut Random, event: &mut Fields) {
    event.text_field("type", "feedback");
    maybe(random, event, 60, "touchpoint", &TOUCHPOINTS);
    if random.chance(30) {
        event.text_field("text", random.pick(&["", "good", "ü 😀 \" \\"]));
        if random.chance(50) {
            return;
        }
    }
    let sentiments = [
        "-1",
        "1.0",
        "0",
        "-0.05",
        "-0.0500001",
        "-0.05000049",
        "-0.0500005",
        "0.3",
        "-0.7",
        "-5e-2",
        "1e-9",
    ];
    event.raw("sentiment", random.pick(&sentiments));
}

/// A value that is refused, in one of many ways; some, by chance, are not.
pub fn bad(random: &mut Random, event: &mut Fields) -> Option<Vec<u8>> {
    let (name, _) = random.pick(&event.0);
    match random.below(14) {
        0 => return None,
        1 => return Some(Vec::new()),
        2 => event.text_field("text", &"y".repeat(700)),
        3 => {
            let text = event.text(random);
            let cut = random.below(text.len() as u64) as usize;
            return Some(text.as_bytes()[..cut].to_vec());
        }
        4 => event.raw(
            "x",
            random.pick(&["\"\\ud800\"", "\"\u{1}\"", "01", "1.", "NaN", "+1", "[1,]", "\"\\x\""]),
        ),
        5 => event.raw("x", &format!("{}{}", "[".repeat(64), "]".repeat(64))),
        6 => event.drop(&name),
        7 => event.raw(
            &name,
            random.pick(&["5.5", "-1", "[]", "{}", "true", "\"\"", "null", "1e400", "99999999999999999999"]),
        ),
        8 => event.text_field(&name, &"z".repeat(random.pick(&[128, 129]))),
        9 => event.text_field(
            "type",
            random.pick(&["Error", "view", "", "task_finished", "purchased", "feedback", "survey_response"]),
        ),
        10 => event.raw(
            "time",
            random.pick(&[
                "1.0",
                "-1",
                "true",
                "\"2025-01-29\"",
                "\"2025-02-29T00:00:00Z\"",
                "\"2025-01-29T24:00:00Z\"",
                "9214646400000",
                "\"1969-12-31T23:59:60Z\"",
                "\"2025-01-29T08:00:00+24:00\"",
                "-0",
            ]),
        ),
        11 => event.raw(
            "score",
            random.pick(&["10.0000000000000000001", "-1", "5.5", "\"5\"", "1e-30", "[5]"]),
        ),
        12 => event.raw(
            "answers",
            random.pick(&["[1,2]", "[1,2,3,4,5,1,2,3,4,6]", "[1,2,3,4,5,1,2,3,4,5.0]", "\"x\""]),
        ),
        _ => {
            let mut bytes = event.text(random).into_bytes();
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.pick(&[0xFF, b'"', b'}', 0xC3]);
            return Some(bytes);
        }
    }
    Some(event.text(random).into_bytes())
}

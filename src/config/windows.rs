//! Windows, and the window in which spikes are looked for.

use tidegauge_aggregate::spec::{Grouping, Spec, Spike, Window};
use tidegauge_aggregate::time::Millis;

use super::error::Problem;
use super::groupings::{Configured, MOST, indices, not_configured};
use super::keys;
use super::nearest::one_of;
use super::reader::{Item, Reader, item, texts};
use super::tree::{Origin, Table};
use super::units::format_duration;
use super::value;

/// Panes that one window may be made of: state grows with it.
const MAX_PANES: Millis = 10_000;

/// The windows, and whether all of them could be read.
pub(super) fn windows(reader: &mut Reader<'_>, groupings: &[Grouping], whole: bool) -> (Vec<Window>, bool) {
    let Some(tables) = reader.tables(&keys::WINDOW) else {
        return (Spec::default_windows(groupings), reader.node(&keys::WINDOW).is_none());
    };
    let place = reader.place(&keys::WINDOW);
    if !(1..=MOST).contains(&tables.written) {
        let problem = Problem::new("`window` has too few or too many items").found(tables.written.to_string());
        reader.report(
            &place,
            problem.expected(format!("1 to {MOST} windows; leave it out for the default ones")),
        );
    }
    let configured = Configured {
        names: groupings.iter().map(Grouping::name).collect(),
        whole,
    };
    let mut windows: Vec<Window> = Vec::new();
    let mut slides = Vec::new();
    for (table, origin) in tables.items {
        let Some(window) = window(reader, table, origin, &configured) else {
            continue;
        };
        if windows.iter().any(|other| other.name == window.name) {
            let problem = Problem::new(format!("window `{}` is configured twice", window.name)).expected("each name once");
            reader.report(&origin_of(table, &["name"], origin), problem);
            continue;
        }
        slides.push((window.slide, window.name.clone(), origin_of(table, &["slide", "size"], origin)));
        windows.push(window);
    }
    check_slides(reader, slides);
    let whole = windows.len() == tables.written;
    (windows, whole)
}

fn window(reader: &mut Reader<'_>, table: &Table, origin: &Origin, groupings: &Configured) -> Option<Window> {
    for key in [&keys::WINDOW_NAME_KEY, &keys::WINDOW_SIZE] {
        if table.get(key.name).is_none() {
            reader.missing(key, origin);
        }
    }
    let indices = match table.get(keys::WINDOW_GROUPINGS.name) {
        None => (0..groupings.names.len()).collect(),
        Some(entry) => {
            let listed = texts(&entry.node, &keys::WINDOW_GROUPINGS);
            let items: Vec<Item> = listed.into_iter().map(|(text, node)| Item::at(text, node)).collect();
            if items.is_empty() && matches!(&entry.node.value, super::tree::Value::Array(items) if items.is_empty()) {
                let problem = Problem::new("`window[].groupings` is empty").expected("at least one grouping; leave it out for all of them");
                reader.report(&entry.node.origin, problem);
            }
            indices(reader, &keys::WINDOW_GROUPINGS, &items, groupings)
        }
    };
    let size = item(table, &keys::WINDOW_SIZE, value::duration);
    let slide = if table.get(keys::WINDOW_SLIDE.name).is_some() {
        item(table, &keys::WINDOW_SLIDE, value::duration)
    } else {
        size
    };
    let (size, slide) = (size?, slide?);
    if slide > size || size % slide != 0 || size / slide > MAX_PANES {
        let (size, slide) = (format_duration(size), format_duration(slide));
        let problem = Problem::new("`window[].slide` does not divide the size of its window");
        let problem = problem.found(format!("{slide} in {size}"));
        let expected = format!("a slide that fits 1 to {MAX_PANES} times into the size, without a remainder");
        reader.report(&origin_of(table, &["slide"], origin), problem.expected(expected));
        return None;
    }
    let name = item(table, &keys::WINDOW_NAME_KEY, value::text)?;
    Some(Window {
        name,
        size,
        slide,
        groupings: indices,
    })
}

/// Panes of a longer slide are made of whole panes of the next shorter one.
fn check_slides(reader: &mut Reader<'_>, mut slides: Vec<(Millis, String, Origin)>) {
    slides.sort_by_key(|(slide, _, _)| *slide);
    slides.dedup_by_key(|(slide, _, _)| *slide);
    for pair in slides.windows(2) {
        let [(shorter, shorter_name, _), (longer, name, origin)] = pair else {
            continue;
        };
        if longer % shorter != 0 {
            let problem = Problem::new(format!("the slide of window `{name}` is no multiple of the next shorter one"));
            let expected = format!("a multiple of {}, the slide of window `{shorter_name}`", format_duration(*shorter));
            reader.report(origin, problem.found(format_duration(*longer)).expected(expected));
        }
    }
}

/// What spikes are looked for in: nothing if the windows were replaced by others and nobody asked for spikes.
pub(super) fn spike(reader: &mut Reader<'_>, windows: &[Window], whole: bool) -> Option<Spike> {
    let asked = reader.root.get("spike").is_some();
    let name = reader.get(&keys::SPIKE_WINDOW, value::text)?;
    let baseline = reader.get(&keys::SPIKE_BASELINE, value::duration)?;
    let Some(index) = windows.iter().position(|window| window.name == name) else {
        if asked && whole {
            let place = reader.place(&keys::SPIKE_WINDOW);
            let configured = Configured {
                names: windows.iter().map(|w| w.name.clone()).collect(),
                whole,
            };
            match reader.node(&keys::SPIKE_WINDOW) {
                Some(node) => not_configured(reader, &keys::SPIKE_WINDOW, &Item::at(name, node), &place, &configured),
                None => {
                    let problem = Problem::new(format!("`spike.window` is missing, and no window is named `{name}`, its default"));
                    reader.report(&place, problem.expected(one_of(configured.names.iter().map(String::as_str))));
                }
            }
        }
        return None;
    };
    let size = windows.get(index)?.size;
    if baseline < size || baseline % size != 0 || baseline / size > MAX_PANES {
        let mut place = reader.place(&keys::SPIKE_BASELINE);
        if !asked {
            place = reader.place(&keys::WINDOW);
        }
        let problem = Problem::new(format!("`spike.baseline` is no multiple of the size of window `{name}`"));
        let problem = problem.found(format_duration(baseline));
        reader.report(
            &place,
            problem.expected(format!("{} times 1 to {MAX_PANES}", format_duration(size))),
        );
        return None;
    }
    Some(Spike { window: index, baseline })
}

/// Where the first of these keys stands, else the table.
pub(super) fn origin_of(table: &Table, names: &[&str], origin: &Origin) -> Origin {
    names
        .iter()
        .find_map(|name| table.get(name))
        .map_or(origin, |entry| &entry.node.origin)
        .clone()
}

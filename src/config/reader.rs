//! Second pass: reads checked values. A wrong one was reported by the first pass, so here it is only absent.

use super::error::Problem;
use super::schema::Key;
use super::secret::{Guarded, Secret};
use super::tree::{Node, Origin, Table, Value};
use super::value::{self, Finding, Read};

/// The tree, and what is found wrong in it.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Table,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Reader<'a> {
    /// The value as written.
    pub(super) fn node(&self, key: &Key) -> Option<&'a Node> {
        self.root.table(key.section)?.get(key.name).map(|entry| &entry.node)
    }

    /// The value or its default; `None` if it is wrong, or absent and without one.
    pub(super) fn get<T>(&self, key: &Key, read: Read<T>) -> Option<T> {
        get(self.node(key), key, read)
    }

    /// The value of a key with a default; anything at all if it is wrong, since nothing comes of a wrong configuration.
    pub(super) fn or_default<T: Default>(&self, key: &Key, read: Read<T>) -> T {
        self.get(key, read).unwrap_or_default()
    }

    /// A string that may have been fetched.
    pub(super) fn guarded(&self, key: &Key) -> Option<Guarded<String>> {
        let hidden = self.node(key).is_some_and(|node| node.reference.is_some());
        self.get(key, value::text).map(|text| Guarded::new(text, hidden))
    }

    /// A secret.
    pub(super) fn secret(&self, key: &Key) -> Option<Secret> {
        self.get(key, value::text).map(Secret::new)
    }

    /// The strings of a list, each where it stands; those of the default stand nowhere.
    pub(super) fn texts(&self, key: &Key) -> Vec<Item> {
        match self.node(key) {
            Some(node) => texts(node, key)
                .into_iter()
                .map(|(text, node)| Item::new(text, Some(node)))
                .collect(),
            None => value::default_node(key)
                .map(|node| texts(&node, key).into_iter().map(|(text, _)| Item::new(text, None)).collect())
                .unwrap_or_default(),
        }
    }

    /// The tables of an array of tables, each where it stands; `None` where the key is absent or no array.
    pub(super) fn tables(&self, key: &Key) -> Option<Tables<'a>> {
        let Value::Array(items) = &self.node(key)?.value else { return None };
        let tables = items.iter().filter_map(|item| match &item.value {
            Value::Table(table) => Some((table, &item.origin)),
            _ => None,
        });
        Some(Tables {
            items: tables.collect(),
            written: items.len(),
        })
    }

    /// Where a mistake of `key` is shown: at its value, else at its table, else at the top.
    pub(super) fn place(&self, key: &Key) -> Origin {
        if let Some(node) = self.node(key) {
            return node.origin.clone();
        }
        let (above, name) = key.section.rsplit_once('.').unwrap_or(("", key.section));
        self.root
            .table(above)
            .and_then(|table| table.get(name))
            .map_or(Origin::File(0), |entry| entry.origin.clone())
    }

    pub(super) fn report(&mut self, origin: &Origin, problem: Problem) {
        self.findings.push(Finding::new(origin, problem));
    }

    /// Reports that a key without a default is absent.
    pub(super) fn missing(&mut self, key: &Key, origin: &Origin) {
        let problem = Problem::new(format!("`{}` is missing", key.path())).expected(key.kind.expected());
        self.report(origin, problem);
    }
}

/// The items of an array of tables.
#[derive(Default)]
pub(super) struct Tables<'a> {
    pub(super) items: Vec<(&'a Table, &'a Origin)>,
    /// How many items were written, those that are no tables included.
    pub(super) written: usize,
}

/// One string of a list.
pub(super) struct Item {
    pub(super) text: String,
    pub(super) hidden: bool,
    pub(super) origin: Option<Origin>,
}

impl Item {
    pub(super) fn at(text: String, node: &Node) -> Item {
        Item::new(text, Some(node))
    }

    fn new(text: String, node: Option<&Node>) -> Item {
        Item {
            text,
            hidden: node.is_some_and(|n| n.reference.is_some()),
            origin: node.map(|n| n.origin.clone()),
        }
    }

    /// The string for a message, unless it must not be shown.
    pub(super) fn shown(&self) -> String {
        if self.hidden {
            "a value that was fetched".to_owned()
        } else {
            super::tree::quote(&self.text)
        }
    }
}

/// The value of a key in an item of an array of tables.
pub(super) fn item<T>(table: &Table, key: &Key, read: Read<T>) -> Option<T> {
    get(table.get(key.name).map(|entry| &entry.node), key, read)
}

/// The valid strings of a list with their nodes.
pub(super) fn texts<'n>(node: &'n Node, key: &Key) -> Vec<(String, &'n Node)> {
    let Value::Array(items) = &node.value else { return Vec::new() };
    items.iter().filter_map(|item| Some((value::text(key, item).ok()?, item))).collect()
}

/// Whether every string of the list is valid, so that rules over the whole list make sense.
pub(super) fn is_whole(node: &Node, key: &Key) -> bool {
    matches!(&node.value, Value::Array(items) if texts(node, key).len() == items.len())
}

fn get<T>(node: Option<&Node>, key: &Key, read: Read<T>) -> Option<T> {
    match node {
        Some(node) => read(key, node).ok(),
        None => read(key, &value::default_node(key)?).ok(),
    }
}

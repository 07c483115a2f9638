//! A consumer group: partitions are spread over the members that are heard of, taken back with a deadline, and lost by whoever stays silent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegauge_ingest::source::PartitionRef;
use tokio::time::Instant;

use super::setup::Random;

/// Whoever is not heard of for so long is taken for dead.
const SESSION: Duration = Duration::from_secs(45);
/// Whoever has not given a partition back by then loses it.
const REVOKE: Duration = Duration::from_secs(30);

/// What a member is told.
#[derive(Debug)]
pub(super) enum Told {
    Assigned(Vec<PartitionRef>),
    /// To be given back with [`Group::give_back`].
    Revoked(Vec<PartitionRef>),
    /// Others may read them already.
    Lost,
}

#[derive(Debug)]
struct Member {
    heard: Instant,
    /// Told of the assignment, in order of being told.
    owns: BTreeSet<PartitionRef>,
    /// Has to give back by then.
    gives_back: BTreeMap<PartitionRef, Instant>,
    /// Not told yet.
    news: Vec<Told>,
}

#[derive(Debug)]
pub(super) struct Group {
    partitions: Vec<PartitionRef>,
    members: BTreeMap<u64, Member>,
    /// Who owned something that was taken from it without its knowledge.
    expelled: BTreeSet<u64>,
    random: u64,
    next: u64,
}

impl Group {
    pub(super) fn new(partitions: Vec<PartitionRef>, random: Random) -> Group {
        Group {
            partitions,
            members: BTreeMap::new(),
            expelled: BTreeSet::new(),
            random: random.0,
            next: 0,
        }
    }

    pub(super) fn join(&mut self) -> u64 {
        self.next += 1;
        let member = Member {
            heard: Instant::now(),
            owns: BTreeSet::new(),
            gives_back: BTreeMap::new(),
            news: Vec::new(),
        };
        self.members.insert(self.next, member);
        self.next
    }

    pub(super) fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        self.expelled.remove(&member);
    }

    /// Everybody is gone.
    pub(super) fn clear(&mut self) {
        self.members.clear();
    }

    /// A heartbeat: what is new for a member.
    pub(super) fn poll(&mut self, id: u64) -> Vec<Told> {
        self.expire();
        if self.expelled.remove(&id) || !self.members.contains_key(&id) {
            self.members.remove(&id);
            return vec![Told::Lost];
        }
        self.rebalance();
        let Some(member) = self.members.get_mut(&id) else {
            return vec![Told::Lost];
        };
        member.heard = Instant::now();
        std::mem::take(&mut member.news)
    }

    pub(super) fn give_back(&mut self, id: u64, partitions: &[PartitionRef]) {
        if let Some(member) = self.members.get_mut(&id) {
            for partition in partitions {
                member.owns.remove(partition);
                member.gives_back.remove(partition);
            }
        }
    }

    fn expire(&mut self) {
        let dead: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, m)| m.heard.elapsed() > SESSION)
            .map(|(id, _)| *id)
            .collect();
        for id in dead {
            self.members.remove(&id);
            self.expelled.insert(id);
        }
        let late: Vec<u64> = self
            .members
            .iter()
            .filter(|(_, m)| m.gives_back.values().any(|deadline| *deadline < Instant::now()))
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.members.remove(&id);
            self.expelled.insert(id);
        }
    }

    /// Moves partitions so that members have about the same number, at random who has which; nothing moves while something is being given back.
    fn rebalance(&mut self) {
        if self.members.is_empty() || self.members.values().any(|m| !m.gives_back.is_empty()) {
            return;
        }
        let owned: BTreeSet<&PartitionRef> = self.members.values().flat_map(|m| &m.owns).collect();
        let free: Vec<PartitionRef> = self.partitions.iter().filter(|p| !owned.contains(p)).cloned().collect();
        let mut random = Random(self.random);
        for partition in free {
            let least = self.members.values().map(|m| m.owns.len()).min().unwrap_or(0);
            let candidates: Vec<u64> = self
                .members
                .iter()
                .filter(|(_, m)| m.owns.len() == least)
                .map(|(id, _)| *id)
                .collect();
            let chosen = candidates[random.between(0, candidates.len() as u64 - 1) as usize];
            if let Some(member) = self.members.get_mut(&chosen) {
                member.owns.insert(partition.clone());
                member.news.push(Told::Assigned(vec![partition]));
            }
        }
        let most = self.members.values().map(|m| m.owns.len()).max().unwrap_or(0);
        let least = self.members.values().map(|m| m.owns.len()).min().unwrap_or(0);
        if most > least + 1 {
            let rich: Vec<u64> = self
                .members
                .iter()
                .filter(|(_, m)| m.owns.len() == most)
                .map(|(id, _)| *id)
                .collect();
            let chosen = rich[random.between(0, rich.len() as u64 - 1) as usize];
            if let Some(member) = self.members.get_mut(&chosen) {
                let owned: Vec<PartitionRef> = member.owns.iter().cloned().collect();
                let partition = owned[random.between(0, owned.len() as u64 - 1) as usize].clone();
                member.gives_back.insert(partition.clone(), Instant::now() + REVOKE);
                member.news.push(Told::Revoked(vec![partition]));
            }
        }
        self.random = random.0;
    }
}

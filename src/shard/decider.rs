//! Shard 0's part: metadata is decided here, made durable, spread, and only then answered.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::base::ShardId;
use crate::cluster::{Change, Command, MetadataLog, ProposalToken, Refusal};
use crate::journal::{Journal, JournalError};

use super::calls::Token;
use super::message::{Message, Outbox, Outcome};

/// What shard 0 keeps beside its log of metadata.
pub struct Decider {
    log: MetadataLog,
    /// All shards but this one.
    others: Vec<ShardId>,
    next: u64,
    /// Each command under way belongs to a question, at this place in it.
    commands: HashMap<ProposalToken, (QuestionId, usize)>,
    questions: BTreeMap<QuestionId, Question>,
    /// Commands that found the journal busy.
    busy: VecDeque<(ProposalToken, Command)>,
    /// Each command that may yet find the journal busy, to be tried again.
    texts: HashMap<ProposalToken, Command>,
    /// Answers that await that every shard has applied what they rest on.
    spreading: VecDeque<(u64, ShardId, Message)>,
    /// The version that each other shard's copy has; only those that have one.
    applied: BTreeMap<ShardId, u64>,
    /// Shards that asked for the metadata before it was ready.
    early: Vec<ShardId>,
    joined: BTreeSet<ShardId>,
    /// Our own registration is decided: others may have the metadata.
    ready: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct QuestionId(u64);

#[derive(Debug)]
struct Question {
    asker: ShardId,
    token: Token,
    outcomes: Vec<Option<Outcome>>,
}

impl Decider {
    pub fn new(log: MetadataLog, own: ShardId, shards: &[ShardId]) -> Self {
        Self {
            log,
            others: shards.iter().copied().filter(|id| *id != own).collect(),
            next: 0,
            commands: HashMap::new(),
            questions: BTreeMap::new(),
            busy: VecDeque::new(),
            texts: HashMap::new(),
            spreading: VecDeque::new(),
            applied: BTreeMap::new(),
            early: Vec::new(),
            joined: BTreeSet::new(),
            ready: false,
        }
    }

    /// Proposes in order; the answer follows when all are decided, durable and spread.
    pub fn propose(
        &mut self,
        journal: &mut Journal,
        asker: ShardId,
        token: Token,
        commands: Vec<Command>,
    ) {
        let id = QuestionId(self.next);
        self.next += 1;
        let question = Question {
            asker,
            token,
            outcomes: vec![None; commands.len()],
        };
        self.questions.insert(id, question);
        for (place, command) in commands.into_iter().enumerate() {
            let name = ProposalToken(self.next);
            self.next += 1;
            self.commands.insert(name, (id, place));
            self.log.propose(journal, &command, name);
            self.texts.insert(name, command);
        }
    }

    /// What has become durable since: the changes, in order, for this shard to apply. Answers are
    /// kept until `spread` has been told of the version that they rest on.
    pub fn settle(&mut self, journal: &mut Journal) -> Vec<Change> {
        for (name, command) in std::mem::take(&mut self.busy) {
            self.log.propose(journal, &command, name);
            self.texts.insert(name, command);
        }
        let mut changes = Vec::new();
        for settlement in self.log.settle(journal) {
            let command = self.texts.remove(&settlement.token);
            if let (Err(Refusal::Journal(JournalError::Busy)), Some(command)) =
                (&settlement.outcome, command)
            {
                self.busy.push_back((settlement.token, command));
                continue;
            }
            if let Ok(change) = &settlement.outcome {
                changes.push(change.clone());
            }
            self.record(settlement.token, settlement.outcome);
        }
        changes
    }

    /// Our copy has come to `version` with `changes`: tells the others, and answers what has been
    /// spread already.
    pub fn spread(&mut self, version: u64, changes: Vec<Change>, out: &mut Outbox) {
        if !changes.is_empty() {
            for shard in self.applied.keys() {
                let changes = changes.clone();
                out.push((*shard, Message::Changes { changes }));
            }
        }
        let done = |question: &Question| question.outcomes.iter().all(Option::is_some);
        let ended: Vec<QuestionId> = self
            .questions
            .iter()
            .filter(|(_, question)| done(question))
            .map(|(id, _)| *id)
            .collect();
        for id in ended {
            let Some(question) = self.questions.remove(&id) else {
                continue;
            };
            let message = Message::Proposed {
                token: question.token,
                outcomes: question.outcomes.into_iter().flatten().collect(),
            };
            self.spreading.push_back((version, question.asker, message));
        }
        self.answer_spread(out);
    }

    /// A shard's copy has come to `version`.
    pub fn applied(&mut self, shard: ShardId, version: u64, out: &mut Outbox) {
        self.applied.insert(shard, version);
        self.answer_spread(out);
    }

    /// The journal has failed: nothing more is decided.
    pub fn abandon(&mut self, version: u64, out: &mut Outbox) {
        let stopped = || Err(Refusal::Journal(JournalError::Stopped));
        for name in self.log.abandon() {
            self.texts.remove(&name);
            self.record(name, stopped());
        }
        for (name, _) in std::mem::take(&mut self.busy) {
            self.record(name, stopped());
        }
        self.spread(version, Vec::new(), out);
    }

    /// A shard asks for the metadata. True if it may have it now.
    pub fn join(&mut self, shard: ShardId, version: u64) -> bool {
        if !self.ready {
            self.early.push(shard);
            return false;
        }
        self.applied.insert(shard, version);
        true
    }

    /// Our registration is decided. Returns who asked before that.
    pub fn ready(&mut self) -> Vec<ShardId> {
        self.ready = true;
        std::mem::take(&mut self.early)
    }

    /// A shard has its partitions open. True if it was the last: all may listen.
    pub fn joined(&mut self, shard: ShardId) -> bool {
        self.joined.insert(shard);
        self.all_joined()
    }

    pub fn all_joined(&self) -> bool {
        self.ready && self.joined.len() == self.others.len()
    }

    /// True when no proposal waits.
    pub fn owes_nothing(&self) -> bool {
        self.questions.is_empty() && self.spreading.is_empty()
    }

    fn record(&mut self, name: ProposalToken, outcome: Outcome) {
        let Some((id, place)) = self.commands.remove(&name) else {
            return;
        };
        if let Some(question) = self.questions.get_mut(&id) {
            question.outcomes[place] = Some(outcome);
        }
    }

    fn answer_spread(&mut self, out: &mut Outbox) {
        let everywhere = self.applied.values().copied().min().unwrap_or(u64::MAX);
        while let Some((version, _, _)) = self.spreading.front() {
            if *version > everywhere {
                return;
            }
            if let Some((_, asker, message)) = self.spreading.pop_front() {
                out.push((asker, message));
            }
        }
    }
}

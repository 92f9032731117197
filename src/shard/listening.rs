//! Listeners that come and go while the broker runs, as its configuration says.
//!
//! Shard 0 sees to it, one change after the other. What is new is bound for every core first: a
//! port that somebody has refuses the change, and nothing is decided. Then the change is proposed
//! like any other; once it is durable, every shard hears of the listeners before it hears of the
//! change, so that all of them have opened and shut what they must before the answer. A start does
//! the same with what was set before it.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use crate::admin::listeners::{differ, of_running};
use crate::admin::{InForce, ListenAt, share_a_port};
use crate::base::ShardId;
use crate::cluster::{BrokerScope, Command, Metadata, Refusal, edited};
use crate::log::Overrides;
use crate::runtime::{Actions, Bind, BindRefusal, Bound, ListenerId};

use super::address::Listener;
use super::calls::{Call, Token};
use super::machine::{Listen, Shard};
use super::message::{Message, Outcome};

/// What a shard is to tell its driver, and shard 0's changes.
#[derive(Debug)]
pub struct Listening {
    /// To be opened once this shard listens, and to be shut.
    open: Vec<ListenerId>,
    shut: Vec<ListenerId>,
    bind: Vec<Bind>,
    /// Changes that wait for their turn, in the order in which they came. Bounded by the calls that
    /// shards may have under way.
    waiting: VecDeque<Proposal>,
    /// Whose turn it is.
    under_way: Option<UnderWay>,
    /// The number of the next listener.
    next: u32,
}

/// What a shard proposes; the command at `place` is about this broker's configuration.
#[derive(Debug)]
struct Proposal {
    from: ShardId,
    token: Token,
    commands: Vec<Command>,
    place: usize,
}

#[derive(Debug)]
struct UnderWay {
    /// None: a start.
    proposal: Option<Proposal>,
    /// All that are to be there; those without a number are new.
    wanted: Vec<(Option<ListenerId>, ListenAt)>,
    /// Numbers of the new ones, in their order.
    added: Vec<ListenerId>,
    /// All of them, once they are bound.
    listeners: Vec<Listener>,
    /// What this broker's configuration will be.
    configs: Overrides,
    /// Why the command is not proposed, while the others are.
    refused: Option<Refusal>,
    /// Its change has been applied here.
    is_done: bool,
}

impl Listening {
    /// With so many listeners at the start.
    pub fn new(count: usize) -> Self {
        Self {
            open: Vec::new(),
            shut: Vec::new(),
            bind: Vec::new(),
            waiting: VecDeque::new(),
            under_way: None,
            next: count as u32,
        }
    }
}

/// This broker's configuration after a command; None: it is not about that.
fn configs_after(command: &Command, own: BrokerScope, known: &Metadata) -> Option<Overrides> {
    match command {
        Command::AlterBrokerConfig { scope, configs } if *scope == own => Some(configs.clone()),
        Command::EditBrokerConfig { scope, edits } if *scope == own => {
            edited(known.broker_overrides(own), edits).ok()
        }
        _ => None,
    }
}

impl Shard {
    fn own_scope(&self) -> BrokerScope {
        BrokerScope::Node(self.config.node)
    }

    /// To shard 0: takes a proposal over that changes the listeners; gives all others back. While
    /// one changes them, all that are about this broker wait, for what they say rests on it.
    pub(super) fn without_listeners(
        &mut self,
        from: ShardId,
        token: Token,
        commands: Vec<Command>,
    ) -> Option<Vec<Command>> {
        let Some(known) = &self.metadata else {
            return Some(commands);
        };
        let (own, now) = (self.own_scope(), self.in_force());
        let is_busy = self.listening.under_way.is_some() || !self.listening.waiting.is_empty();
        let place = commands.iter().position(|command| {
            let after = configs_after(command, own, known);
            after.is_some_and(|after| is_busy || differ(now, now.with(own, &after)))
        });
        let Some(place) = place else {
            return Some(commands);
        };
        self.listening.waiting.push_back(Proposal {
            from,
            token,
            commands,
            place,
        });
        self.next_listeners();
        None
    }

    /// Begins with the next change, unless one is under way.
    fn next_listeners(&mut self) {
        while self.listening.under_way.is_none()
            && let Some(proposal) = self.listening.waiting.pop_front()
            && let Some(known) = &self.metadata
        {
            let own = self.own_scope();
            let configs = configs_after(&proposal.commands[proposal.place], own, known);
            let configs = configs.unwrap_or_else(|| known.broker_overrides(own).clone());
            // It was checked by who proposes it, before others had their turn.
            match of_running(self.in_force().with(own, &configs)) {
                Ok(wanted) => self.begin_listeners(Some(proposal), wanted, configs),
                Err(wrong) => self.refuse_listeners(proposal, wrong.words),
            }
        }
    }

    /// Has bound what is new.
    fn begin_listeners(
        &mut self,
        proposal: Option<Proposal>,
        wanted: Vec<ListenAt>,
        configs: Overrides,
    ) {
        let there = &self.config.addresses.listeners;
        let wanted = wanted.into_iter().map(|one| {
            let is_it = |own: &&Listener| own.name == one.name && own.at == one.at;
            (there.iter().find(is_it).map(|own| own.id), one)
        });
        let under_way = UnderWay {
            proposal,
            wanted: wanted.collect(),
            added: Vec::new(),
            listeners: Vec::new(),
            configs,
            refused: None,
            is_done: false,
        };
        self.bind_listeners(under_way);
    }

    fn bind_listeners(&mut self, mut under_way: UnderWay) {
        under_way.added.clear();
        for (number, one) in &under_way.wanted {
            if number.is_none() {
                let listener = ListenerId(self.listening.next);
                self.listening.next += 1;
                under_way.added.push(listener);
                self.listening.bind.push(Bind {
                    listener,
                    host: one.at.host.clone(),
                    port: one.at.port,
                });
            }
        }
        let is_bound = under_way.added.is_empty();
        self.listening.under_way = Some(under_way);
        if is_bound {
            self.listeners_bound(Ok(Vec::new()));
        }
    }

    /// The driver has bound what is new, or could not.
    pub(super) fn listeners_bound(&mut self, outcome: Bound) {
        let Some(mut under_way) = self.listening.under_way.take() else {
            return;
        };
        let outcome = outcome.and_then(|bound| self.numbered(&under_way, &bound));
        match (outcome, under_way.proposal.take()) {
            (Ok(listeners), Some(proposal)) => {
                under_way.listeners = listeners;
                self.propose_listeners(under_way, proposal);
            }
            (Ok(listeners), None) => {
                self.spread_listeners(listeners);
                self.all_listen();
            }
            (Err(refusal), Some(proposal)) => {
                let name = under_way.name_of(refusal.listener);
                self.listening.shut.append(&mut under_way.added);
                let words = format!("listeners: {name}: {}", refusal.words);
                self.refuse_listeners(proposal, words);
                self.next_listeners();
            }
            (Err(refusal), None) => {
                // Who can not be let in here may come by the others, and change it.
                let name = under_way.name_of(refusal.listener);
                tracing::error!("the listener {name} is left out: {}", refusal.words);
                under_way.wanted.retain(|(_, one)| one.name != name);
                self.listening.shut.append(&mut under_way.added);
                if under_way.wanted.is_empty() {
                    tracing::error!("no listener is left; those of the broker's file are open");
                    return self.all_listen();
                }
                self.bind_listeners(under_way);
            }
        }
    }

    /// All that are to be there, as they will be told.
    fn numbered(
        &self,
        under_way: &UnderWay,
        bound: &[Vec<SocketAddr>],
    ) -> Result<Vec<Listener>, BindRefusal> {
        let addresses = &self.config.addresses;
        let mut added = under_way.added.iter().zip(bound);
        let mut so_far: Vec<SocketAddr> = Vec::new();
        let mut listeners = Vec::new();
        for (number, one) in &under_way.wanted {
            let there = number.and_then(|number| addresses.listener(number));
            let listener = match there {
                Some(there) => there.clone(),
                None => {
                    let Some((number, at)) = added.next() else {
                        continue;
                    };
                    Listener::new(*number, one, at)
                }
            };
            let at = listener.bound.iter();
            let at: Vec<_> = at.map(|ip| SocketAddr::new(*ip, listener.port)).collect();
            let ports = usize::from(addresses.ports);
            let share = |one: &&SocketAddr| so_far.iter().any(|at| share_a_port(one, at, ports));
            if let Some(shared) = at.iter().find(share).filter(|_| there.is_none()) {
                return Err(BindRefusal {
                    listener: listener.id,
                    words: format!("another listener has {shared}; each needs a port of its own"),
                });
            }
            so_far.extend(at);
            listeners.push(listener);
        }
        Ok(listeners)
    }

    fn propose_listeners(&mut self, mut under_way: UnderWay, mut proposal: Proposal) {
        let commands = std::mem::take(&mut proposal.commands);
        under_way.proposal = Some(proposal);
        self.listening.under_way = Some(under_way);
        let token = self.calls.next_token();
        self.calls.open(token, Call::Listeners);
        let (id, journal) = (self.id, &mut self.owner.journal);
        if let Some(decider) = &mut self.decider {
            decider.propose(journal, id, token, commands);
        }
    }

    /// Answers that it can not be. What is proposed with it is still decided.
    fn refuse_listeners(&mut self, mut proposal: Proposal, words: String) {
        let refusal = Refusal::NotPossible { why: words.into() };
        proposal.commands.remove(proposal.place);
        if proposal.commands.is_empty() {
            let (from, token) = (proposal.from, proposal.token);
            let outcomes = vec![Err(refusal)];
            return self.tell(from, Message::Proposed { token, outcomes });
        }
        let under_way = UnderWay {
            proposal: None,
            wanted: Vec::new(),
            added: Vec::new(),
            listeners: Vec::new(),
            configs: Overrides::new(),
            refused: Some(refusal),
            is_done: true,
        };
        self.propose_listeners(under_way, proposal);
    }

    /// Shard 0's copy of the metadata has a change of brokers' configuration. If it is the one that
    /// was under way, all shards are told of the listeners before they are told of the change.
    pub(super) fn listeners_changed(&mut self) {
        let (own, now) = (self.own_scope(), self.in_force());
        let under_way = self.listening.under_way.as_ref();
        let is_it = |under_way: &UnderWay| !differ(now, now.with(own, &under_way.configs));
        if !under_way.is_some_and(|under_way| !under_way.is_done && is_it(under_way)) {
            return;
        }
        if let Some(under_way) = &mut self.listening.under_way {
            under_way.is_done = true;
            let listeners = std::mem::take(&mut under_way.listeners);
            self.spread_listeners(listeners);
        }
    }

    /// Shard 0 has the outcome of what it proposed for another, which gets it now.
    pub(super) fn listeners_decided(&mut self, mut outcomes: Vec<Outcome>) {
        let Some(mut under_way) = self.listening.under_way.take() else {
            return;
        };
        if !under_way.is_done {
            self.listening.shut.append(&mut under_way.added);
        }
        if let Some(proposal) = under_way.proposal {
            if let Some(refusal) = under_way.refused {
                outcomes.insert(proposal.place, Err(refusal));
            }
            let (from, token) = (proposal.from, proposal.token);
            self.tell(from, Message::Proposed { token, outcomes });
        }
        self.next_listeners();
    }

    /// Shard 0, when all shards are there: what was set before this start is in force before any
    /// client comes.
    pub(super) fn restore_listeners(&mut self) {
        if self.listening.under_way.is_some() {
            return;
        }
        let now = self.in_force();
        if !differ(InForce::fixed(now.fixed), now) {
            return self.all_listen();
        }
        match of_running(now) {
            Ok(wanted) => self.begin_listeners(None, wanted, Overrides::new()),
            Err(wrong) => {
                let words = wrong.words;
                tracing::error!("the listeners are those of the broker's file: {words}");
                self.all_listen();
            }
        }
    }

    fn spread_listeners(&mut self, listeners: Vec<Listener>) {
        self.tell_operator(&listeners);
        for shard in self.config.shards.clone() {
            if shard != self.id {
                self.tell(shard, Message::Listeners(listeners.clone()));
            }
        }
        self.take_listeners(listeners);
    }

    fn tell_operator(&self, after: &[Listener]) {
        let before = &self.config.addresses.listeners;
        let is_new = |listener: &&Listener| before.iter().all(|own| own.id != listener.id);
        for listener in after.iter().filter(is_new) {
            let (name, port) = (&listener.name, listener.port);
            for address in listener.bound.iter().map(|ip| SocketAddr::new(*ip, port)) {
                tracing::info!("the listener {name} is open at {address}");
                if !address.ip().is_loopback() {
                    tracing::warn!(
                        "{address} is reachable by others, and there is no authentication yet"
                    );
                }
            }
        }
        let is_gone = |listener: &&Listener| after.iter().all(|own| own.id != listener.id);
        for listener in before.iter().filter(is_gone) {
            let (name, port) = (&listener.name, listener.port);
            tracing::info!("the listener {name} at port {port} is closed");
        }
    }

    /// These are the listeners from here on. Connections of those that are no more end.
    pub(super) fn take_listeners(&mut self, listeners: Vec<Listener>) {
        let ids = |all: &[Listener]| all.iter().map(|own| own.id).collect::<BTreeSet<_>>();
        let after = ids(&listeners);
        let before = std::mem::replace(&mut self.config.addresses.listeners, listeners);
        let before = ids(&before);
        self.listening.open.extend(after.difference(&before));
        self.listening.shut.extend(before.difference(&after));
        for id in self.connections.ids() {
            let listener = self.connections.get(id).map(|own| own.listener);
            if listener.is_some_and(|listener| !after.contains(&listener)) {
                self.connections.end(id, self.now.ticks, &mut self.timers);
            }
        }
        self.follow_bounds();
    }

    /// Once a turn: what the driver is to do about listeners.
    pub(super) fn say_listeners(&mut self, actions: &mut Actions<Message>) {
        let listening = &mut self.listening;
        actions.bind.append(&mut listening.bind);
        actions.shut.append(&mut listening.shut);
        match self.listen {
            Listen::NotYet | Listen::Asked => {}
            Listen::Said => actions.open.append(&mut listening.open),
            Listen::Over => listening.open.clear(),
        }
    }
}

impl UnderWay {
    /// What a new listener is called.
    fn name_of(&self, number: ListenerId) -> String {
        let new = self.wanted.iter().filter(|(number, _)| number.is_none());
        let mut new = self.added.iter().zip(new);
        let found = new.find(|(own, _)| **own == number);
        found.map_or_else(String::new, |(_, (_, one))| one.name.clone())
    }
}

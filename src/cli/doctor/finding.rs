//! One thing that was looked at, what was found, and what mends it.

use serde_json::json;

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    /// The broker runs, and would run better, or more safely.
    Advice,
    /// The broker refuses to start, breaks a promise, or can not be reached.
    Problem,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Advice => "advice",
            Self::Problem => "problem",
        }
    }

    /// The colour of a terminal, as an escape sequence.
    fn colour(self) -> &'static str {
        match self {
            Self::Ok => "\x1b[32m",
            Self::Advice => "\x1b[33m",
            Self::Problem => "\x1b[1;31m",
        }
    }
}

/// A finding. `what` is a name that scripts may rely on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub area: &'static str,
    pub what: &'static str,
    pub state: State,
    /// What is, and, unless all is well, why that is not what a broker needs.
    pub found: String,
    /// Commands, each of which mends it; the first is for a plain machine.
    pub fixes: Vec<String>,
}

impl Finding {
    pub fn ok(area: &'static str, what: &'static str, found: impl Into<String>) -> Self {
        Self {
            area,
            what,
            state: State::Ok,
            found: found.into(),
            fixes: Vec::new(),
        }
    }

    /// This finding as a piece of advice, or as a problem, with what mends it.
    pub fn but<F: Into<String>>(
        mut self,
        state: State,
        fixes: impl IntoIterator<Item = F>,
    ) -> Self {
        self.state = state;
        self.fixes = fixes.into_iter().map(Into::into).collect();
        self
    }

    pub fn to_text(&self, width: usize, colours: bool) -> String {
        let name = format!("{:<7}", self.state.name());
        let name = match colours {
            true => format!("{}{name}\x1b[0m", self.state.colour()),
            false => name,
        };
        let mut text = format!("  {name}  {:<width$}  {}", self.what, self.found);
        for fix in &self.fixes {
            text.push_str(&format!("\n           {:<width$}  $ {fix}", ""));
        }
        text
    }

    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "area": self.area,
            "what": self.what,
            "state": self.state.name(),
            "found": self.found,
            "fixes": self.fixes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_its_fixes_below_it_and_colours_only_when_asked() {
        let finding = Finding::ok("machine", "swap", "/swap is in use")
            .but(State::Advice, ["sudo swapoff -a"]);

        let plain = finding.to_text(6, false);
        assert_eq!(
            plain,
            "  advice   swap    /swap is in use\n                   $ sudo swapoff -a"
        );
        assert!(finding.to_text(6, true).contains("\x1b[33madvice"));
    }
}

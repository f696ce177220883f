//! Which readings raise an alert: a table with a version, kept as data.
//!
//! The table that ships is `rules/vital_signs.toml`. It is checked as a whole when it is read, so a
//! rule that could never be the answer is an error at the start and not a missing alarm at night.

use std::collections::BTreeSet;

use serde::Deserialize;
use vitals::kind::VitalKind;
use vitals::reading::Reading;
use vitals::unit::Conversion;
use vitals::value::SentValue;

use crate::alert::Alert;
use crate::severity::{Direction, Severity};

const BUILT_IN: &str = include_str!("../rules/vital_signs.toml");

/// A rule's number. Never used again for another rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleNo(u16);

/// One rule: readings of `vital` beyond `bound_micro` matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its number.
    pub number: RuleNo,
    /// What it finds, in words for a person.
    pub title: String,
    /// What it looks at.
    pub vital: VitalKind,
    /// On which side of the bound.
    pub direction: Direction,
    /// The bound in millionths of the vital type's unit; a reading that equals it is not beyond it.
    pub bound_micro: i64,
    /// How much it matters.
    pub severity: Severity,
}

/// What the rules say about one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Raised {
    /// The rule that applies.
    pub rule: RuleNo,
    /// How much it matters.
    pub severity: Severity,
    /// On which side of the rule's bound the value is.
    pub direction: Direction,
}

/// The rules in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleTable {
    version: u16,
    author: String,
    /// The rules of each vital type at the type's number, the most severe first.
    by_vital: Vec<Vec<Rule>>,
}

/// Why a text is no table of rules. Where it helps, the number of the first rule at fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadRules {
    /// It is not TOML of the right form.
    #[error("the alert rules cannot be read")]
    Form(#[from] toml::de::Error),
    /// The version is zero, or nobody is named as the author.
    #[error("the alert rules have no version or no author")]
    Unnamed,
    /// A number is zero or used twice.
    #[error("alert rule {0} has no number of its own")]
    Number(u16),
    /// There is no vital type of this name.
    #[error("alert rule {0} is about an unknown vital type")]
    Vital(u16),
    /// The unit is not the one that values of this type are compared in.
    #[error("alert rule {0} is not in the unit of its vital type")]
    Unit(u16),
    /// It has no bound, two bounds, one that no living person can pass, or one that is not an even
    /// number of millionths, which rounding of converted values rests on.
    #[error("alert rule {0} has no usable bound")]
    Bound(u16),
    /// Another rule that is at least as severe applies wherever this one does.
    #[error("alert rule {0} can never be the most severe")]
    Unreachable(u16),
}

/// The table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TableText {
    version: u16,
    author: String,
    rule: Vec<RuleText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    number: u16,
    title: String,
    vital: String,
    above: Option<String>,
    below: Option<String>,
    unit: String,
    severity: SeverityText,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeverityText {
    Low,
    Medium,
    High,
    Critical,
}

impl RuleNo {
    /// Takes a number that was read from a fact or a table.
    #[must_use]
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl RuleTable {
    /// The rules that ship with the program.
    ///
    /// # Errors
    ///
    /// [`BadRules`] if they are broken; then no program starts.
    pub fn built_in() -> Result<Self, BadRules> {
        Self::parse(BUILT_IN)
    }

    /// Reads and checks a table.
    ///
    /// # Errors
    ///
    /// [`BadRules`] names what is wrong and with which rule.
    pub fn parse(text: &str) -> Result<Self, BadRules> {
        let table: TableText = toml::from_str(text)?;
        if table.version == 0 || table.author.trim().is_empty() {
            return Err(BadRules::Unnamed);
        }
        let rules = table.rule.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        check_numbers(&rules)?;
        check_reachable(&rules)?;
        let highest = VitalKind::ALL.map(VitalKind::number).into_iter().max().unwrap_or(0);
        let mut by_vital = vec![Vec::new(); usize::from(highest) + 1];
        for rule in rules {
            if let Some(of_vital) = by_vital.get_mut(usize::from(rule.vital.number())) {
                of_vital.push(rule);
            }
        }
        for of_vital in &mut by_vital {
            of_vital.sort_by_key(|rule| (std::cmp::Reverse(rule.severity), rule.number));
        }
        Ok(Self { version: table.version, author: table.author, by_vital })
    }

    /// The version; alerts carry it.
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// Who answers for these rules.
    #[must_use]
    pub fn author(&self) -> &str {
        &self.author
    }

    /// Every rule, by vital type and the most severe first.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.by_vital.iter().flatten()
    }

    /// The rule with this number.
    #[must_use]
    pub fn rule(&self, number: RuleNo) -> Option<&Rule> {
        self.rules().find(|rule| rule.number == number)
    }

    /// What the rules say about `canonical_micro` millionths of the unit of `vital`: the most
    /// severe rule that applies, or nothing. One value is judged alone, whatever came before it.
    #[must_use]
    pub fn evaluate(&self, vital: VitalKind, canonical_micro: i64) -> Option<Raised> {
        let of_vital = self.by_vital.get(usize::from(vital.number()))?;
        let rule = of_vital.iter().find(|rule| rule.applies_to(canonical_micro))?;
        Some(Raised { rule: rule.number, severity: rule.severity, direction: rule.direction })
    }

    /// The alert that `reading` raises, if it raises one. Codes outside the vital types have no
    /// rules.
    #[must_use]
    pub fn judge(&self, reading: &Reading) -> Option<Alert> {
        let raised = self.evaluate(reading.kind()?, reading.canonical_micro)?;
        Some(Alert::of(reading, raised))
    }
}

impl Rule {
    fn applies_to(&self, micro: i64) -> bool {
        match self.direction {
            Direction::Below => micro < self.bound_micro,
            Direction::Above => micro > self.bound_micro,
        }
    }

    /// Whether this rule applies to every value that `other` applies to.
    fn contains(&self, other: &Self) -> bool {
        self.vital == other.vital
            && self.direction == other.direction
            && match self.direction {
                Direction::Below => self.bound_micro >= other.bound_micro,
                Direction::Above => self.bound_micro <= other.bound_micro,
            }
    }
}

fn read(text: RuleText) -> Result<Rule, BadRules> {
    let number = text.number;
    let vital = VitalKind::ALL.into_iter().find(|vital| vital.name() == text.vital);
    let vital = vital.ok_or(BadRules::Vital(number))?;
    if text.unit != vital.unit() {
        return Err(BadRules::Unit(number));
    }
    let (direction, bound) = match (text.below, text.above) {
        (Some(bound), None) => (Direction::Below, bound),
        (None, Some(bound)) => (Direction::Above, bound),
        (None, None) | (Some(_), Some(_)) => return Err(BadRules::Bound(number)),
    };
    let micro = SentValue::parse(&bound).ok().and_then(|bound| bound.to_micro(Conversion::NONE));
    let bound_micro = micro
        .filter(|micro| micro % 2 == 0 && vital.range().contains(*micro))
        .ok_or(BadRules::Bound(number))?;
    let severity = match text.severity {
        SeverityText::Low => Severity::Low,
        SeverityText::Medium => Severity::Medium,
        SeverityText::High => Severity::High,
        SeverityText::Critical => Severity::Critical,
    };
    Ok(Rule { number: RuleNo(number), title: text.title, vital, direction, bound_micro, severity })
}

fn check_numbers(rules: &[Rule]) -> Result<(), BadRules> {
    let mut seen = BTreeSet::from([0]);
    match rules.iter().find(|rule| !seen.insert(rule.number.0)) {
        Some(rule) => Err(BadRules::Number(rule.number.0)),
        None => Ok(()),
    }
}

fn check_reachable(rules: &[Rule]) -> Result<(), BadRules> {
    let hidden = |rule: &&Rule| {
        rules.iter().any(|other| {
            other.number != rule.number && other.contains(rule) && other.severity >= rule.severity
        })
    };
    match rules.iter().find(hidden) {
        Some(rule) => Err(BadRules::Unreachable(rule.number.0)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRITICAL: Severity = Severity::Critical;
    const HIGH: Severity = Severity::High;
    const MEDIUM: Severity = Severity::Medium;

    #[test]
    fn glucose() {
        check("2339-0", "1", Some((4, CRITICAL, "below")));
        check("2339-0", "40", Some((4, CRITICAL, "below")));
        check("2339-0", "53.9", Some((4, CRITICAL, "below")));
        check("2339-0", "54", Some((3, HIGH, "below")));
        check("2339-0", "54.1", Some((3, HIGH, "below")));
        check("2339-0", "69.9", Some((3, HIGH, "below")));
        check("2339-0", "70", None);
        check("2339-0", "70.1", None);
        check("2339-0", "179.9", None);
        check("2339-0", "180", None);
        check("2339-0", "180.1", Some((2, HIGH, "above")));
        check("2339-0", "299.9", Some((2, HIGH, "above")));
        check("2339-0", "300", Some((2, HIGH, "above")));
        check("2339-0", "300.1", Some((1, CRITICAL, "above")));
        check("2339-0", "3000", Some((1, CRITICAL, "above")));
        check("2345-7", "53.9", Some((4, CRITICAL, "below")));
        check("15074-8", "300.1", Some((1, CRITICAL, "above")));
    }

    #[test]
    fn heart_rate() {
        check("8867-4", "10", Some((6, HIGH, "below")));
        check("8867-4", "49.9", Some((6, HIGH, "below")));
        check("8867-4", "50", None);
        check("8867-4", "50.1", None);
        check("8867-4", "119.9", None);
        check("8867-4", "120", None);
        check("8867-4", "120.1", Some((5, HIGH, "above")));
        check("8867-4", "350", Some((5, HIGH, "above")));
        check("8889-8", "120.1", Some((5, HIGH, "above")));
    }

    #[test]
    fn oxygen() {
        check("59408-5", "1", Some((7, CRITICAL, "below")));
        check("59408-5", "89.9", Some((7, CRITICAL, "below")));
        check("59408-5", "90", Some((8, HIGH, "below")));
        check("59408-5", "90.1", Some((8, HIGH, "below")));
        check("59408-5", "94.9", Some((8, HIGH, "below")));
        check("59408-5", "95", None);
        check("59408-5", "95.1", None);
        check("59408-5", "100", None);
        check("2708-6", "89.9", Some((7, CRITICAL, "below")));
    }

    #[test]
    fn systolic_pressure() {
        check("8480-6", "10", Some((11, MEDIUM, "below")));
        check("8480-6", "89.9", Some((11, MEDIUM, "below")));
        check("8480-6", "90", None);
        check("8480-6", "90.1", None);
        check("8480-6", "139.9", None);
        check("8480-6", "140", None);
        check("8480-6", "140.1", Some((10, MEDIUM, "above")));
        check("8480-6", "179.9", Some((10, MEDIUM, "above")));
        check("8480-6", "180", Some((10, MEDIUM, "above")));
        check("8480-6", "180.1", Some((9, CRITICAL, "above")));
        check("8480-6", "480", Some((9, CRITICAL, "above")));
    }

    #[test]
    fn temperature() {
        check("8310-5", "10", Some((14, HIGH, "below")));
        check("8310-5", "34.9", Some((14, HIGH, "below")));
        check("8310-5", "35", None);
        check("8310-5", "35.1", None);
        check("8310-5", "37.9", None);
        check("8310-5", "38", None);
        check("8310-5", "38.1", Some((13, MEDIUM, "above")));
        check("8310-5", "39.3", Some((13, MEDIUM, "above")));
        check("8310-5", "39.4", Some((13, MEDIUM, "above")));
        check("8310-5", "39.5", Some((12, HIGH, "above")));
        check("8310-5", "47", Some((12, HIGH, "above")));
    }

    #[test]
    fn nothing_else_raises_an_alert() {
        let table = RuleTable::built_in().unwrap();
        let silent = VitalKind::ALL.into_iter().filter(|kind| {
            let range = kind.range();
            [range.min_micro, range.max_micro].iter().all(|m| table.evaluate(*kind, *m).is_none())
        });
        let silent: Vec<_> = silent.map(VitalKind::name).collect();
        let expected = [
            "bp_diastolic",
            "respiratory_rate",
            "weight",
            "height",
            "bmi",
            "ecg",
            "steps",
            "sleep_hours",
            "calories",
        ];
        assert_eq!(silent, expected);
    }

    #[track_caller]
    fn check(code: &str, value: &str, expected: Option<(u16, Severity, &str)>) {
        let vital = VitalKind::of(code.parse().unwrap()).unwrap();
        let micro = SentValue::parse(value).unwrap().to_micro(Conversion::NONE).unwrap();
        let raised = RuleTable::built_in().unwrap().evaluate(vital, micro);
        let raised = raised.map(|r| (r.rule.number(), r.severity, r.direction.word()));
        assert_eq!(raised, expected, "{} {value}", vital.name());
    }

    #[test]
    fn a_millionth_beyond_a_bound_is_beyond_it() {
        let table = RuleTable::built_in().unwrap();
        for rule in table.rules() {
            let step = if rule.direction == Direction::Above { 1 } else { -1 };
            let raised = |micro| table.evaluate(rule.vital, micro).map(|raised| raised.rule);
            assert_ne!(raised(rule.bound_micro), Some(rule.number), "{}", rule.title);
            assert_eq!(raised(rule.bound_micro + step), Some(rule.number), "{}", rule.title);
        }
    }

    /// The bounds of the requirements H3 to H16. The values above are tenths beside them: a bound that
    /// moved by less would pass there.
    #[test]
    fn every_bound_is_the_one_of_the_requirements_to_the_millionth() {
        let table = RuleTable::built_in().unwrap();
        let bounds = table.rules().map(|rule| {
            (rule.number.number(), rule.vital.name(), rule.direction.word(), rule.bound_micro)
        });
        let mut bounds: Vec<_> = bounds.collect();
        bounds.sort_unstable();
        let expected = [
            (1, "glucose", "above", 300_000_000),
            (2, "glucose", "above", 180_000_000),
            (3, "glucose", "below", 70_000_000),
            (4, "glucose", "below", 54_000_000),
            (5, "heart_rate", "above", 120_000_000),
            (6, "heart_rate", "below", 50_000_000),
            (7, "spo2", "below", 90_000_000),
            (8, "spo2", "below", 95_000_000),
            (9, "bp_systolic", "above", 180_000_000),
            (10, "bp_systolic", "above", 140_000_000),
            (11, "bp_systolic", "below", 90_000_000),
            (12, "temperature", "above", 39_400_000),
            (13, "temperature", "above", 38_000_000),
            (14, "temperature", "below", 35_000_000),
        ];
        assert_eq!(bounds, expected);
    }

    #[test]
    fn the_table_that_ships_has_fourteen_rules_and_says_whose_they_are() {
        let table = RuleTable::built_in().unwrap();
        let numbers: BTreeSet<_> = table.rules().map(|rule| rule.number.number()).collect();
        assert_eq!(numbers, (1..=14).collect());
        assert_eq!(table.version(), 2);
        assert!(table.author().contains("not yet signed off"));
        let rule = table.rule(RuleNo::from_number(7)).unwrap();
        assert_eq!((rule.title.as_str(), rule.severity), ("very low oxygen", Severity::Critical));
        assert!(table.rule(RuleNo::from_number(15)).is_none());
    }

    #[test]
    fn the_order_of_the_rules_does_not_matter() {
        let (head, rules) = BUILT_IN.split_once("[[rule]]").unwrap();
        let mut rules: Vec<_> = rules.split("[[rule]]").collect();
        rules.reverse();
        let turned = format!("{head}[[rule]]{}", rules.join("\n[[rule]]"));
        assert_eq!(RuleTable::parse(&turned).unwrap(), RuleTable::built_in().unwrap());
    }

    #[test]
    fn rules_of_different_directions_do_not_hide_each_other() {
        let overlapping = BUILT_IN.replacen("below = \"50\"", "below = \"130\"", 1);
        assert!(RuleTable::parse(&overlapping).is_ok());
    }

    #[test]
    fn a_broken_table_is_refused() {
        check_broken("version = 2", "version = 0", "no version or no author");
        check_broken("author = \"product", "author = \" \" #", "no version or no author");
        check_broken("version = 2", "version = -1", "cannot be read");
        check_broken("[[rule]]", "[[rule]]\ncolour = \"red\"", "cannot be read");
        check_broken("\"critical\"", "\"terrible\"", "cannot be read");
        check_broken("number = 2", "number = 1", "rule 1 has no number");
        check_broken("number = 2", "number = 0", "rule 0 has no number");
        check_broken("\"glucose\"", "\"sugar\"", "rule 1 is about an unknown");
        check_broken("mg/dL", "mmol/L", "rule 1 is not in the unit");
        check_broken("above = \"300\"", "above = \"many\"", "rule 1 has no usable bound");
        check_broken("above = \"300\"", "", "rule 1 has no usable bound");
        check_broken(
            "above = \"300\"",
            "above = \"9\"\nbelow = \"8\"",
            "rule 1 has no usable bound",
        );
        check_broken("above = \"300\"", "above = \"300.000001\"", "rule 1 has no usable bound");
        check_broken("above = \"300\"", "above = \"3001\"", "rule 1 has no usable bound");
        check_broken("above = \"300\"", "above = \"180\"", "rule 2 can never be");
        check_broken("above = \"300\"", "above = \"179\"", "rule 2 can never be");
        check_broken("below = \"54\"", "below = \"70\"", "rule 3 can never be");
        check_broken("\"critical\"", "\"high\"", "rule 1 can never be");
        check_broken("\"critical\"", "\"medium\"", "rule 1 can never be");
    }

    #[track_caller]
    fn check_broken(good: &str, bad: &str, says: &str) {
        let error = RuleTable::parse(&BUILT_IN.replacen(good, bad, 1)).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
}

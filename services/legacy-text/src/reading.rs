//! Reads a text of any spelling.

use crate::letter::{SHAPES, TONES, compose};
use crate::precheck::may_be_legacy;
use crate::single_byte::WINDOWS_1252_TABLE;
use crate::spelling::Spelling;
use crate::twice;
use crate::weigh::{CANDIDATES, Weighed, may_be_seen, weigh, weigh_words};

/// The confidence, in percent, from which a text is converted.
pub const CONFIDENCE_MIN: u8 = 95;
/// The confidence from which a text that is not converted is reported.
const REPORTED_MIN: u8 = 30;
/// Nobody is surer than this.
const CONFIDENCE_MAX: u8 = 99;

/// A spelling that was found, and how surely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The spelling.
    pub spelling: Spelling,
    /// Percent.
    pub confidence: u8,
}

/// What a text was read as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The text in Unicode; none when nothing was converted.
    pub text: Option<String>,
    /// The spellings that were undone, in their order.
    pub steps: Vec<Step>,
    /// A spelling that is likely, but not surely enough: the text was not converted from it.
    pub unclear: Option<Step>,
}

/// Reads a text; none for ordinary Unicode, which stays as it is. A text that was read is ordinary, so
/// reading it again changes nothing.
pub fn read(text: &str) -> Option<Reading> {
    if !may_be_legacy(text) {
        return None;
    }
    let mut reading = Reading::default();
    for _ in 0..PASSES_MAX {
        let current = reading.text.clone().unwrap_or_else(|| text.to_owned());
        let steps = reading.steps.len();
        reading.unclear = None;
        reading.read_once(&current);
        if reading.steps.len() == steps {
            break;
        }
    }
    (!reading.steps.is_empty() || reading.unclear.is_some()).then_some(reading)
}

/// How often a text is read anew: each pass may undo two encodings and one charset.
const PASSES_MAX: usize = 4;

/// True for a control character that is a byte of punctuation in windows-1252.
fn is_c1(it: char) -> bool {
    matches!(it, '\u{80}'..='\u{9f}')
}

/// The punctuation of windows-1252 for a control character that was its byte.
fn punctuation_of_windows(it: char) -> char {
    let byte = u8::try_from(u32::from(it)).ok().filter(|_| is_c1(it));
    byte.and_then(|it| WINDOWS_1252_TABLE.character(it)).unwrap_or(it)
}

impl Reading {
    fn read_once(&mut self, text: &str) {
        self.take_composed(text);
        let current = self.text.clone().unwrap_or_else(|| text.to_owned());
        if let Some(undone) = twice::undo(&current) {
            let step = Step { spelling: undone.spelling, confidence: undone.confidence };
            self.take(step, undone.text.clone());
            if step.confidence >= CONFIDENCE_MIN {
                self.take_composed(&undone.text);
            }
        }
        let current = self.text.clone().unwrap_or_else(|| text.to_owned());
        if let Some((step, converted)) = read_words(&current) {
            self.take(step, converted);
        }
        if let Some(text) = &mut self.text
            && text.contains(is_c1)
        {
            *text = text.chars().map(punctuation_of_windows).collect();
        }
    }

    /// Takes a converted text if it is sure enough, and else says that it is unclear.
    fn take(&mut self, step: Step, text: String) {
        if step.confidence >= CONFIDENCE_MIN {
            self.text = Some(text);
            self.steps.push(step);
        } else if step.confidence >= REPORTED_MIN {
            self.unclear = Some(step);
        }
    }

    fn take_composed(&mut self, text: &str) {
        if !text.contains(|it| TONES.contains(&it) || SHAPES.contains(&it)) {
            return;
        }
        let composed = compose(text);
        if composed != text {
            let step = Step { spelling: Spelling::Decomposed, confidence: CONFIDENCE_MAX };
            self.take(step, composed);
        }
    }
}

/// The likeliest charset of the words, with its confidence among all candidates.
fn read_words(text: &str) -> Option<(Step, String)> {
    let words = weigh_words(text);
    let mut found: Vec<Weighed> = Vec::new();
    for candidate in CANDIDATES.into_iter().filter(|it| may_be_seen(text, *it)) {
        let Some(weighed) = weigh(text, &words, candidate) else { continue };
        match found.iter_mut().find(|it| it.text == weighed.text) {
            Some(same) if same.gain < weighed.gain => *same = weighed,
            Some(_) => {}
            None => found.push(weighed),
        }
    }
    let gains: Vec<f64> = found.iter().map(|it| it.gain).collect();
    let best = found.into_iter().max_by(|one, other| one.gain.total_cmp(&other.gain))?;
    // Likelihoods relative to the best one; that of the text as it stands has no gain.
    let relative = |gain: &f64| (gain - best.gain).exp();
    let total: f64 = relative(&0.0) + gains.iter().map(relative).sum::<f64>();
    let percent = (100.0 * best.certainty / total).min(f64::from(CONFIDENCE_MAX));
    let confidence = (0..=CONFIDENCE_MAX).rev().find(|it| f64::from(*it) <= percent)?;
    Some((Step { spelling: best.spelling, confidence }, best.text))
}

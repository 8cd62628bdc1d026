//! The command line in one language: help texts and usage errors.
//!
//! Every text of the commands is written as `Vietnamese / English`; only the half of the chosen
//! language is shown. What clap would say in English itself is said here.

use clap::builder::{Resettable, StyledStr};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, Error};
use proto::fault::Lang;

/// Names of values in help, in both languages.
const VALUE_NAMES: [(&str, &str); 22] = [
    ("FILE", "TỆP"),
    ("FILES", "TỆP"),
    ("DIR", "THƯ_MỤC"),
    ("FOLDER", "THƯ_MỤC"),
    ("KEY", "KHÓA"),
    ("ID", "MÃ"),
    ("WHAT", "MÃ_HOẶC_SỐ"),
    ("TEXT", "CHỮ"),
    ("NAME", "TÊN"),
    ("DAY", "NGÀY"),
    ("CODE", "MÃ"),
    ("HOST", "TÊN_MÁY"),
    ("FORMAT", "ĐỊNH_DẠNG"),
    ("CANONICAL", "DẠNG_CHUẨN"),
    ("DESCRIPTION", "MÔ_TẢ"),
    ("TOPIC", "MỤC"),
    ("ROLE", "VAI_TRÒ"),
    ("LIMIT", "SỐ"),
    ("DAYS", "SỐ_NGÀY"),
    ("DOCUMENTS", "SỐ"),
    ("CURSOR", "TRANG"),
    ("COMMAND", "LỆNH"),
];

/// Where the options of every command stand: behind those of the command.
const COMMON_ORDER: usize = 900;

/// The command with every text in one language.
pub(crate) fn localize(command: Command, lang: Lang) -> Command {
    let mut command = localize_one(command, lang).version(env!("CARGO_PKG_VERSION"));
    // Usage lines and the command `help` exist only after this.
    command.build();
    localize_built(command, lang)
}

fn localize_built(mut command: Command, lang: Lang) -> Command {
    if command.get_name() == "help" {
        return command.about(choose(
            lang,
            "Xem trợ giúp của một lệnh",
            "Show the help of a command",
        ));
    }
    if lang == Lang::Vi {
        let usage = command.render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").replace("[OPTIONS]", "[TÙY_CHỌN]");
        command = command.override_usage(usage);
    }
    command.mut_subcommands(|it| localize_built(it, lang))
}

fn localize_one(command: Command, lang: Lang) -> Command {
    let is_root = command.get_name() == "lienthong";
    let usage = choose(lang, "Cách dùng", "Usage");
    let template =
        format!("{{about-with-newline}}\n{usage}: {{usage}}\n\n{{all-args}}{{after-help}}");
    let about = command.get_about().map(|it| half(it, lang));
    let after = command.get_after_help().map(|it| lines_in(it, lang));
    let mut command = command
        .help_template(template)
        .subcommand_help_heading(choose(lang, "Lệnh", "Commands"))
        .subcommand_value_name(choose(lang, "LỆNH", "COMMAND"))
        .disable_help_flag(true)
        .mut_args(|it| localize_argument(it, lang))
        .mut_subcommands(|it| localize_one(it, lang));
    if let Some(about) = about {
        command = command.long_about(Resettable::Reset).about(about);
    }
    if let Some(after) = after {
        command = command.after_help(after);
    }
    let options = choose(lang, "Tùy chọn", "Options");
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    let help = help.help(choose(lang, "In trợ giúp này", "Print this help"));
    command = command.arg(help.help_heading(options).display_order(COMMON_ORDER + 1));
    if is_root {
        let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
        let version = version.help(choose(lang, "In phiên bản", "Print the version"));
        command = command.disable_version_flag(true).arg(version.help_heading(options));
    }
    command
}

/// An argument with its help, its default and its values in one language.
fn localize_argument(argument: Arg, lang: Lang) -> Arg {
    let mut help = argument.get_help().map(|it| half(it, lang)).unwrap_or_default();
    let takes_values = argument.get_action().takes_values();
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| takes_values)
        .map(|it| it.get_name().to_owned())
        .collect();
    if !values.is_empty() {
        help.push_str(&format!(
            " [{}: {}]",
            choose(lang, "một trong", "one of"),
            values.join(", ")
        ));
    }
    let defaults = argument.get_default_values().iter().filter(|_| takes_values);
    let defaults: Vec<_> = defaults.map(|it| it.to_string_lossy().into_owned()).collect();
    if !defaults.is_empty() {
        let label = choose(lang, "mặc định", "default");
        help.push_str(&format!(" [{label}: {}]", defaults.join(", ")));
    }
    let heading = if argument.is_positional() {
        choose(lang, "Tham số", "Arguments")
    } else {
        choose(lang, "Tùy chọn", "Options")
    };
    let name = match argument.get_value_names() {
        Some([name, ..]) => name.to_string(),
        Some([]) | None => argument.get_id().as_str().to_uppercase(),
    };
    let name = VALUE_NAMES.iter().find(|(en, _)| *en == name).map(|(_, vi)| *vi);
    let argument = argument
        .long_help(Resettable::Reset)
        .help(help)
        .help_heading(heading)
        .hide_possible_values(takes_values)
        .hide_default_value(takes_values);
    let argument =
        if argument.is_global_set() { argument.display_order(COMMON_ORDER) } else { argument };
    match (name, lang) {
        (Some(name), Lang::Vi) if takes_values => argument.value_name(name),
        _ => argument,
    }
}

fn half(text: &StyledStr, lang: Lang) -> String {
    half_of(&text.to_string(), lang)
}

/// The half of `Vietnamese / English`; a text without halves is the same in both.
fn half_of(text: &str, lang: Lang) -> String {
    match (text.split_once(" / "), lang) {
        (Some((vi, _)), Lang::Vi) => vi.trim_end().to_owned(),
        (Some((_, en)), Lang::En) => en.trim_start().to_owned(),
        (None, _) => text.to_owned(),
    }
}

/// Each line in one language. An example is a command, two or more spaces, and what it does.
fn lines_in(text: &StyledStr, lang: Lang) -> String {
    let localize_line = |line: &str| -> String {
        let example = line.trim_start();
        let indent = line.strip_suffix(example).unwrap_or_default();
        match example.split_once("  ").filter(|_| line.contains(" / ")) {
            Some((command, words)) => {
                let gap = words.len() - words.trim_start().len() + 2;
                let words = half_of(words.trim_start(), lang);
                format!("{indent}{command}{}{words}", " ".repeat(gap))
            }
            None => {
                let chosen = half_of(example, lang);
                let colon = if example.ends_with(':') && !chosen.ends_with(':') { ":" } else { "" };
                format!("{indent}{chosen}{colon}")
            }
        }
    };
    text.to_string().lines().map(localize_line).collect::<Vec<_>>().join("\n")
}

/// What is wrong with the command line, in one sentence and with the nearest name.
pub(crate) fn usage_text(error: &Error, lang: Lang) -> String {
    let argument = context(error, ContextKind::InvalidArg);
    let value = context(error, ContextKind::InvalidValue);
    let (vi, en) = match error.kind() {
        ErrorKind::UnknownArgument => {
            (format!("không có tùy chọn {argument}"), format!("there is no option {argument}"))
        }
        ErrorKind::InvalidSubcommand => {
            let name = context(error, ContextKind::InvalidSubcommand);
            (format!("không có lệnh {name}"), format!("there is no command {name}"))
        }
        ErrorKind::InvalidValue if value.is_empty() => {
            (format!("{argument} thiếu giá trị"), format!("{argument} needs a value"))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => (
            format!("giá trị {value} của {argument} không dùng được"),
            format!("the value {value} of {argument} cannot be used"),
        ),
        ErrorKind::MissingRequiredArgument => {
            (format!("thiếu {argument}"), format!("{argument} is missing"))
        }
        ErrorKind::MissingSubcommand => ("thiếu tên lệnh".into(), "a command is missing".into()),
        ErrorKind::ArgumentConflict => {
            let other = context(error, ContextKind::PriorArg);
            (
                format!("{argument} không dùng cùng {other}"),
                format!("{argument} cannot be used with {other}"),
            )
        }
        ErrorKind::TooManyValues | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => (
            format!("số giá trị của {argument} không đúng"),
            format!("{argument} has a wrong number of values"),
        ),
        ErrorKind::NoEquals => {
            (format!("{argument} cần dấu ="), format!("{argument} needs an equals sign"))
        }
        ErrorKind::InvalidUtf8 => {
            ("một tham số không phải UTF-8".into(), "an argument is not UTF-8".into())
        }
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion
        | ErrorKind::Io
        | ErrorKind::Format
        | _ => (format!("{argument} {value}"), format!("{argument} {value}")),
    };
    let mut text = choose(lang, &vi, &en).trim().to_owned();
    let values = context(error, ContextKind::ValidValue);
    if !values.is_empty() {
        text.push_str(&format!("; {}: {values}", choose(lang, "một trong", "one of")));
    }
    let nearest =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let nearest = nearest.into_iter().map(|it| context(error, it)).find(|it| !it.is_empty());
    if let Some(nearest) = nearest {
        let question = match lang {
            Lang::Vi => format!("; có phải {nearest} không?"),
            Lang::En => format!("; did you mean {nearest}?"),
        };
        text.push_str(&question);
    }
    text
}

fn context(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        Some(ContextValue::StyledStr(text)) => text.to_string(),
        Some(ContextValue::StyledStrs(texts)) => {
            texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
        Some(_) | None => String::new(),
    }
}

fn choose<'a>(lang: Lang, vi: &'a str, en: &'a str) -> &'a str {
    match lang {
        Lang::Vi => vi,
        Lang::En => en,
    }
}

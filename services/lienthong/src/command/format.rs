//! `format`: reads, writes, tries, explains and checks formats without a running system.

mod attachments;
mod cases;
mod check;
mod convert;
mod coverage;
mod description_argument;
mod description_file;
mod grammar;
mod input_file;
mod losses;
mod new;
mod summary;
mod test;

use std::path::Path;

use formats::FormatRegistry;
use proto::fault::v1::Fault;

use self::attachments::AttachmentFolder;
use self::check::check_description;
use self::convert::{print_canonical, print_native, print_translation, read_native};
use self::coverage::{print_coverage, show_format};
use self::description_argument::with_descriptions;
use self::grammar::{explain_grammar, print_schema};
use self::input_file::load;
use self::new::draft_format;
use self::summary::{format_json, print_formats};
use self::test::test_formats;
use crate::cli::Format;
use crate::exit_status::ExitStatus;
use crate::output::Output;

/// Carries out a command on formats.
pub(crate) fn run(output: Output, command: Format) -> anyhow::Result<ExitStatus> {
    let formats = FormatRegistry::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
    match command {
        Format::Detect { file, descriptions } => {
            detect(output, &formats, (&file, &descriptions))?;
        }
        Format::Read { format, file, attachments } => {
            let (formats, names) = with_descriptions(output, &formats, &[&format])?;
            let format = names.concat();
            let mut attachments = AttachmentFolder::new(attachments);
            let records = read_native((output, &formats), &format, &file, &mut attachments)?;
            return print_canonical(output, &formats, (&records, &attachments));
        }
        Format::Write { format, canonical, attachments } => {
            let (formats, names) = with_descriptions(output, &formats, &[&format])?;
            let format = names.concat();
            let text = load(output, &canonical)?;
            let attachments = AttachmentFolder::new(attachments);
            print_native((output, &formats), &format, &text, &attachments)?;
        }
        Format::Try { format, file, to, attachments } => {
            let (formats, names) = with_descriptions(output, &formats, &[&format, &to])?;
            let [format, to] = names.as_slice() else { return Ok(ExitStatus::Done) };
            let mut attachments = AttachmentFolder::new(attachments);
            let records = read_native((output, &formats), format, &file, &mut attachments)?;
            let records = (records.as_slice(), &attachments);
            return Ok(print_translation((output, &formats), to, records)?);
        }
        Format::List => print_formats(output, &formats),
        Format::Show { format, to } => {
            let to = to.unwrap_or_else(|| format.clone());
            let is_alone = to == format;
            let (formats, names) = with_descriptions(output, &formats, &[&format, &to])?;
            let [format, to] = names.as_slice() else { return Ok(ExitStatus::Done) };
            let target = formats.choose(to, &[])?;
            let target = Some(target).filter(|_| !is_alone);
            show_format(output, formats.choose(format, &[])?, target);
        }
        Format::Coverage { all, descriptions } => {
            let descriptions: Vec<_> = descriptions.iter().map(String::as_str).collect();
            let (formats, _) = with_descriptions(output, &formats, &descriptions)?;
            print_coverage(output, &formats, all);
        }
        Format::Explain { topic } => explain_grammar(output, topic.as_deref())?,
        Format::Schema => print_schema(output),
        Format::New { name, from, folder } => {
            return draft_format(output, &name, (&from, folder.as_deref()));
        }
        Format::Check { description, bless } => {
            return check_description(output, &description, bless);
        }
        Format::Test { format } => {
            return Ok(test_formats(output, &formats, format.as_deref())?);
        }
    }
    Ok(ExitStatus::Done)
}

/// Prints the format of a file: one of the shipped ones, or of the descriptions that are named.
fn detect(
    output: Output,
    formats: &FormatRegistry,
    (file, descriptions): (&Path, &[String]),
) -> Result<(), Fault> {
    let native = load(output, file)?;
    let descriptions: Vec<_> = descriptions.iter().map(String::as_str).collect();
    let (formats, _) = with_descriptions(output, formats, &descriptions)?;
    let format = formats.choose("auto", &native)?;
    if output.json {
        output.print_json(&format_json(format));
    } else {
        output.print_line(&format!("{}  {}", format.name(), format.title()));
    }
    Ok(())
}

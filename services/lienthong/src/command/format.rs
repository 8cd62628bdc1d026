//! `format`: reads, writes and tries formats without a running system.

mod attachments;
mod cases;
mod check;
mod convert;
mod input_file;
mod losses;
mod summary;

use formats::FormatRegistry;

use self::attachments::AttachmentFolder;
use self::check::check_description;
use self::convert::{print_canonical, print_native, print_translation, read_native};
use self::input_file::load;
use self::summary::{format_json, print_formats};
use crate::cli::Format;
use crate::exit_status::ExitStatus;
use crate::output::Output;

/// Carries out a command on formats.
pub(crate) fn run(output: Output, command: Format) -> anyhow::Result<ExitStatus> {
    let formats = FormatRegistry::shipped().map_err(|it| anyhow::anyhow!(it.join("; ")))?;
    match command {
        Format::Detect { file } => {
            let format = formats.choose("auto", &load(output, &file)?)?;
            if output.json {
                output.print_json(&format_json(format));
            } else {
                output.print_line(&format!("{}  {}", format.name(), format.title()));
            }
        }
        Format::Read { format, file, attachments } => {
            let mut attachments = AttachmentFolder::new(attachments);
            let messages = read_native((output, &formats), &format, &file, &mut attachments)?;
            return print_canonical(output, &formats, (&messages, &attachments));
        }
        Format::Write { format, canonical, attachments } => {
            let text = load(output, &canonical)?;
            let attachments = AttachmentFolder::new(attachments);
            print_native((output, &formats), &format, &text, &attachments)?;
        }
        Format::Try { format, file, to, attachments } => {
            let mut attachments = AttachmentFolder::new(attachments);
            let messages = read_native((output, &formats), &format, &file, &mut attachments)?;
            let messages = (messages.as_slice(), &attachments);
            return Ok(print_translation((output, &formats), &to, messages)?);
        }
        Format::List => print_formats(output, &formats),
        Format::Check { description } => return check_description(output, &description),
    }
    Ok(ExitStatus::Done)
}

//! A process that never outlives the one that started it, however that one ends.

use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use std::os::unix::process::CommandExt as _;

/// Starts the program, prints its process id, and kills it once our end of the pipe is closed. The
/// shell is a process group of its own, so that Ctrl-C in a terminal reaches only the test.
const SCRIPT: &str = r#"
log=$1; shift
exec 3<&0
"$@" >>"$log" 2>&1 </dev/null 3<&- &
child=$!
echo "$child"
# Suppresses the shell's message about the killed child.
exec 2>/dev/null
{ read -r line; kill -9 "$child" 2>/dev/null; } <&3 &
wait "$child"
status=$?
kill "$!" 2>/dev/null
exit "$status"
"#;

/// A running program whose output goes to a file; killed when dropped, and when this process ends.
#[derive(Debug)]
pub struct Guarded {
    shell: Child,
    input: Option<ChildStdin>,
    id: u32,
}

impl Guarded {
    /// Starts it.
    ///
    /// # Panics
    ///
    /// There is no shell.
    pub fn spawn(command: &Command, log: &Path) -> Self {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "guard"]).arg(log);
        shell.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let input = shell.stdin.take();
        let id = first_line(shell.stdout.take().unwrap()).parse().unwrap();
        Self { shell, input, id }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Exit status; none while it runs. Ended by a signal, it is 128 and the signal's number.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.shell.try_wait().unwrap_or_default()
    }

    /// Sends it a signal, `TERM` or another.
    ///
    /// # Panics
    ///
    /// There is no program for that.
    pub fn signal(&self, name: &str) {
        let id = self.id.to_string();
        Command::new("kill").args(["-s", name, &id]).status().unwrap();
    }

    /// Kills it without a chance to shut down, and waits until it has ended.
    pub fn kill(&mut self) {
        drop(self.input.take());
        // The process may have ended by itself before.
        drop(self.shell.wait());
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.kill();
    }
}

fn first_line(output: impl std::io::Read) -> String {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    line.trim().to_owned()
}

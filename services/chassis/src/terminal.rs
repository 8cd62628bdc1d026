//! What the environment says about the terminal of a command.

/// The number of columns that the variable `COLUMNS` asks for. It is honoured for files and pipes
/// too; none when it is not a positive number.
pub fn columns() -> Option<usize> {
    let columns = std::env::var_os("COLUMNS")?;
    columns.to_str()?.trim().parse().ok().filter(|it| *it > 0)
}

/// True when `NO_COLOR` is set to anything, as no-color.org says: terminal escapes are not written.
pub fn is_plain() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty())
}

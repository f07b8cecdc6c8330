//! The command line.

use crate::Failure;

/// What the command line is for.
pub const USAGE: &str = "usage: unmodified [OPTION ADDRESS]..

Measures fifty callers of each library on one thread, then serves until Ctrl-C or SIGTERM.

  --postgresql URL   such as postgres://user:password@localhost/database
  --mariadb URL      such as mysql://user:password@localhost:3306
  --redis URL        such as redis://localhost:6379
  --port NUMBER      where the service listens on 127.0.0.1; 0, the default, is any free port
  --help, -h         this text

Servers that are not named are started on loopback, if they are installed; the libraries of the others are left out.";

/// Where the servers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// PostgreSQL, for diesel.
    pub postgresql: Option<String>,
    /// MariaDB, for mysql.
    pub mariadb: Option<String>,
    /// Redis.
    pub redis: Option<String>,
    /// The service's own port.
    pub port: u16,
    /// Only to say how this is used.
    pub help: bool,
}

impl Options {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    ///
    /// If one is unknown or stands alone.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let arguments: Vec<_> = arguments.collect();
        // Help is given whatever is wrong with the others.
        if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
            return Ok(Self { help: true, ..Self::default() });
        }
        let mut arguments = arguments.into_iter();
        let mut options = Self::default();
        while let Some(name) = arguments.next() {
            let mut value =
                || arguments.next().ok_or_else(|| format!("{name} needs an argument; --help lists them all"));
            match &*name {
                "--postgresql" => options.postgresql = Some(value()?),
                "--mariadb" => options.mariadb = Some(value()?),
                "--redis" => options.redis = Some(value()?),
                "--port" => {
                    let port = value()?;
                    options.port =
                        port.parse().map_err(|_| format!("{port:?} is no port, give a number from 0 to 65535"))?;
                }
                _ => return Err(format!("there is no option {name:?}; --help lists them all").into()),
            }
        }
        Ok(options)
    }
}

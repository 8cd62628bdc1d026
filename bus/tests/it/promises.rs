//! The promises that both transports keep, each tested over both.

mod publish;
mod receive;

use bus::{Bus, Settings};

use crate::environment::settings;

/// Each promise as a test over the bus in memory and as one over a broker.
macro_rules! promises {
    ($($promise:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::promises::Transport::Embedded).await;
            })*
        }

        mod rabbitmq {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::promises::Transport::RabbitMq).await;
            })*
        }
    };
}

pub(crate) use promises;

#[derive(Clone, Copy)]
pub(crate) enum Transport {
    Embedded,
    RabbitMq,
}

impl Transport {
    pub(crate) async fn bus(self) -> Bus {
        self.bus_with(settings()).await
    }

    pub(crate) async fn bus_with(self, settings: Settings) -> Bus {
        match self {
            Self::Embedded => crate::environment::embedded(settings).await,
            Self::RabbitMq => crate::environment::rabbitmq(settings).await,
        }
    }
}

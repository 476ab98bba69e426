//! Why a connection was not made, and what to do.

use crate::crm::bitrix24::fault::Fault;
use crate::model::open_line::Wrong;
use crate::store::StoreError;

/// Why a connection was not made, changed or taken away.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Settings that cannot be taken.
    #[error("settings are wrong")]
    Wrong(Vec<Wrong>),
    /// The company has no such portal.
    #[error("the portal was not found")]
    PortalNotFound,
    /// The company has no such channel of this messenger.
    #[error("the channel was not found")]
    ChannelNotFound,
    /// The channel is connected to another open line of the portal.
    #[error("the channel is connected to line {0}")]
    ChannelTaken(i64),
    /// Nothing is connected there.
    #[error("nothing is connected")]
    NotConnected,
    /// The portal said no, or did not answer.
    #[error(transparent)]
    Portal(#[from] Fault),
    /// The portal took everything, and says that the connector does not work all the same.
    #[error("the portal says that the connector does not work")]
    NotReady,
    /// The store did not help.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Wrong(_) => "settings_bad",
            Self::PortalNotFound => "portal_not_found",
            Self::ChannelNotFound => "channel_not_found",
            Self::ChannelTaken(_) => "channel_taken",
            Self::NotConnected => "not_connected",
            Self::Portal(_) => "portal_refused",
            Self::NotReady => "not_ready",
            Self::Store(_) => "store_failed",
        }
    }

    /// What is wrong and what to do, in Russian and in English.
    #[must_use]
    pub fn words(&self) -> (String, String) {
        let (ru, en) = match self {
            Self::Wrong(_) => ("исправьте отмеченные поля", "mend the fields that are marked"),
            Self::PortalNotFound => (
                "портал не найден: откройте приложение в Битрикс24 ещё раз",
                "the portal was not found: open the application in Bitrix24 again",
            ),
            Self::ChannelNotFound => (
                "выберите канал из списка: такого у этого мессенджера нет",
                "choose a channel of the list: this messenger has no such one",
            ),
            Self::ChannelTaken(line) => {
                return (
                    format!("канал уже подключён к открытой линии {line} этого портала: сначала отключите его там"),
                    format!("the channel is connected to open line {line} of this portal: disconnect it there first"),
                );
            }
            Self::NotConnected => ("к этой линии ничего не подключено", "nothing is connected to this line"),
            Self::Portal(fault) => {
                return (
                    format!("портал не выполнил запрос, повторите через минуту ({fault})"),
                    format!("the portal did not do it, try again in a minute ({fault})"),
                );
            }
            Self::NotReady => (
                "портал сообщает, что коннектор на этой линии не работает: проверьте, что линия включена, и повторите",
                "the portal says that the connector does not work on this line: see that the line is on, and try again",
            ),
            Self::Store(_) => (
                "база данных недоступна: повторите через минуту",
                "the database is not available: try again in a minute",
            ),
        };
        (ru.to_owned(), en.to_owned())
    }
}

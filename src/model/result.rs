//! Stable codes of everything that can become of a message, with their texts, and the robot's result format.

mod entry;

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

pub use entry::{Entry, Outcome, read_entries, write_entries};

macro_rules! codes {
    ($($name:ident = $slug:literal, $ru:literal, $en:literal;)*) => {
        /// A stable code: robots and integrators may rely on it, so a code is never renamed and never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code {
            $(#[doc = $en] $name,)*
        }

        impl Code {
            /// Every code, in the order of the published table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The written form.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)* }
            }

            /// What a person reads, in Russian.
            #[must_use]
            pub const fn ru(self) -> &'static str {
                match self { $(Self::$name => $ru,)* }
            }

            /// What a person reads, in English.
            #[must_use]
            pub const fn en(self) -> &'static str {
                match self { $(Self::$name => $en,)* }
            }

            /// The code of a written form.
            #[must_use]
            pub fn from_slug(slug: &str) -> Option<Self> {
                match slug { $($slug => Some(Self::$name),)* _ => None }
            }
        }
    };
}

codes! {
    AddressEmpty = "address_empty", "не указан ни телефон, ни id чата", "neither a phone nor a chat id was given";
    AddressBad = "address_bad", "адрес получателя не распознан", "the recipient's address cannot be read";
    MessageEmpty = "message_empty", "текст сообщения пуст", "the message is empty";
    MessageTooLong = "message_too_long", "сообщение длиннее, чем допускает мессенджер", "the message is longer than the messenger allows";
    LineNotFound = "line_not_found", "линия не найдена", "the line was not found";
    LineNotChosen = "line_not_chosen", "линий несколько, укажите ID линии", "there are several lines, give the line id";
    LineExpired = "line_expired", "срок действия линии истёк", "the line has expired";
    ChannelNotFound = "channel_not_found", "на линии нет такого канала", "the line has no such channel";
    ChannelLost = "channel_lost", "канал отключён, привяжите его заново", "the channel is off, attach it again";
    DemoLimit = "demo_limit", "исчерпан лимит сообщений демо-периода", "the limit of the demo period is used up";
    Nobody = "nobody", "по этому адресу нет мессенджера", "there is nobody at this address in the messenger";
    Blocked = "blocked", "получатель запретил вам писать", "the recipient does not let you write";
    CannotWriteFirst = "cannot_write_first", "в этом мессенджере первым пишет клиент", "in this messenger the customer writes first";
    WindowClosed = "window_closed", "прошло больше 24 часов с последнего сообщения клиента, нужен шаблон", "more than 24 hours since the customer wrote, a template is needed";
    TemplateNeeded = "template_needed", "в этом мессенджере отправляются только одобренные шаблоны", "this messenger takes approved templates only";
    TemplateNotFound = "template_not_found", "шаблон не найден", "the template was not found";
    TemplateBad = "template_bad", "значения не подходят к шаблону", "the values do not fit the template";
    TemplateOff = "template_off", "шаблон приостановлен или отключён", "the template is paused or disabled";
    NotDelivered = "not_delivered", "сообщение не удалось доставить за отведённое время", "the message could not be delivered in its time";
    OptedOut = "opted_out", "получатель отписался от рассылок", "the recipient opted out";
    VendorCap = "vendor_cap", "мессенджер ограничил число рекламных сообщений этому получателю", "the messenger limits marketing messages to this recipient";
    SpamSuspected = "spam_suspected", "мессенджер подозревает спам и ограничил канал", "the messenger suspects spam and limits the channel";
    WebhookTaken = "webhook_taken", "сообщения этого канала получает другая программа", "another program receives what is said to this channel";
    GroupPrivacy = "group_privacy", "получатель не разрешает добавлять себя в группы", "the recipient does not let others add them to groups";
    FileTooBig = "file_too_big", "файл больше, чем допускает мессенджер", "the file is larger than the messenger allows";
    FileBad = "file_bad", "мессенджер не принимает такой файл", "the messenger does not take such a file";
    FileGone = "file_gone", "файл не удалось получить", "the file could not be fetched";
    NotSupported = "not_supported", "мессенджер этого не умеет", "the messenger cannot do this";
    Refused = "refused", "мессенджер отклонил сообщение", "the messenger refused the message";
    TooLate = "too_late", "срок жизни сообщения истёк раньше отправки", "the message's time was over before it was sent";
    Stopped = "stopped", "отправка остановлена", "the sending was stopped";
    Discarded = "discarded", "сообщение удалено из очереди", "the message was discarded from the queue";
    Queued = "queued", "сообщение ещё в очереди", "the message is still in the queue";
    Unknown = "unknown", "неизвестно, принял ли мессенджер сообщение; повторно не отправляется", "it is unknown whether the messenger took the message; it is not sent again";
    NotOurs = "not_ours", "это сообщение другой стороны, изменить его нельзя", "the message is the other side's and cannot be changed";
    NeverSent = "never_sent", "сообщение не было отправлено, менять и удалять нечего", "the message was never sent, so there is nothing to change or delete";
    InFlight = "in_flight", "сообщение сейчас отправляется, повторите через минуту", "the message is being sent, try again in a minute";
    ChangeTooLate = "change_too_late", "прошёл срок, в который мессенджер разрешает это сделать", "the time in which the messenger allows this is over";
    ChangeTooEarly = "change_too_early", "мессенджер разрешит это только через сутки после отправки", "the messenger allows this only a day after the message was sent";
    Unchangeable = "unchangeable", "мессенджер не даёт изменить или удалить это сообщение", "the messenger does not let this message be changed or deleted";
    Deleted = "deleted", "сообщение удалено", "the message was deleted";
    ReplyNotFound = "reply_not_found", "сообщение, на которое вы отвечаете, не найдено или ещё не отправлено", "the message that is answered was not found, or was not sent yet";
    ReplyElsewhere = "reply_elsewhere", "сообщение, на которое вы отвечаете, из другого диалога", "the message that is answered belongs to another dialog";
    PlaceBad = "place_bad", "широта — от −90 до 90, долгота — от −180 до 180, название и адрес — до 200 знаков", "latitude is from -90 to 90, longitude from -180 to 180, title and address have at most 200 characters";
    ContactsBad = "contacts_bad", "у каждого контакта есть имя до 100 знаков и телефон с кодом страны, контактов не больше, чем допускает мессенджер", "each contact has a name of at most 100 characters and a phone with its country code, and there are no more of them than the messenger allows";
    PartsMixed = "parts_mixed", "файл, шаблон, место и контакты отправляются отдельными сообщениями, место и контакты — без текста и кнопок, шаблон — со своими кнопками", "a file, a template, a place and contacts are sent as messages of their own, a place and contacts without a text and buttons, a template with its own buttons";
    ReactionBad = "reaction_bad", "реакция — это один знак эмодзи из тех, что есть в мессенджере", "a reaction is one emoji of those that the messenger has";
    InteractiveBad = "interactive_bad", "кнопки или список заданы неверно", "the buttons or the list are not right";
    FileIdBad = "file_id_bad", "Id файла или документа — это число из Битрикс24", "the id of a file or a document is a number of Bitrix24";
    DocumentNotReady = "document_not_ready", "Битрикс24 не успел подготовить PDF документа", "Bitrix24 did not have the PDF of the document ready in time";
    NoRights = "no_rights", "у пользователя робота нет прав в Битрикс24", "the robot's user has no right to this in Bitrix24";
    PortalRefused = "portal_refused", "Битрикс24 отклонил запрос", "Bitrix24 refused the request";
    DialogNotFound = "dialog_not_found", "диалога с этим адресом нет", "there is no dialog with this address";
    TagBad = "tag_bad", "укажите метки: до 40 знаков каждая, не больше 20 у диалога", "give tags: at most 40 characters each, at most 20 of a dialog";
    TitleBad = "title_bad", "укажите название чата: от 1 до 100 знаков", "give a title of the chat: 1 to 100 characters";
    GroupEmpty = "group_empty", "не указан id группы", "no group id was given";
    CheckLimit = "check_limit", "исчерпан суточный лимит проверок номеров", "the day's limit of phone checks is used up";
    RequestBad = "request_bad", "запрос не разобран", "the request cannot be read";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// The page that publishes the format and the codes; `docs/result-codes.md` is exactly this text.
#[must_use]
pub fn table_markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for code in Code::ALL {
        // a String takes every write
        let _ = writeln!(page, "| `{}` | {} | {} |", code.slug(), code.ru(), code.en());
    }
    page
}

const INTRODUCTION: &str = "\
# Коды результатов (Result codes)

Страница создаётся из кода программы: правьте `src/model/result.rs`, не её, и запустите команду.
This page is made from the program: change `src/model/result.rs`, not the page, and run the command.

```
UPDATE_DOCS=1 cargo test --locked --test it the_published_table_of_codes
```

## Формат (Format)

«Подробный результат» робота содержит по одной записи на каждый адрес. Записи соединены знаками `; `:

```
79990000001:Y:; 79990000002:N:[nobody] по этому адресу нет мессенджера
```

* `Y` — отправлено, `N` — не отправлено. После `N` в скобках стоит код из таблицы, за ним текст для человека.
* Код не переименовывается и не получает другого смысла. Текст может меняться: условия пишите по коду.
* В адресе знаки `%`, `:`, `;` и управляющие знаки записаны как в URL: `%3A` — это двоеточие.
* В тексте точка с запятой заменена запятой, переводы строк — пробелами, длина — до 500 знаков.
* Если кода нет, скобок тоже нет. Если при этом текст сам начинается со скобки, перед ним стоит `[] `.

A robot's detailed result has one entry for each address, joined by `; `. `Y` is sent, `N` is not; after `N` stands a code
of the table in brackets and a text for people. A code is never renamed or given another meaning; texts may change. In the
address `%`, `:`, `;` and control characters are written as in a URL. In the text a semicolon becomes a comma, line feeds
become blanks, and 500 characters are the most. Without a code there are no brackets; `[] ` stands before such a text that
begins with a bracket itself.

## Коды (Codes)

| Код | Значение | Meaning |
| --- | --- | --- |
";

//! `docs/messengers.md`: what each messenger can do, from its card, and what was checked of it, from the checks themselves.
//!
//! A check tells what it looked at by [`checked`]. The page is made by running them once more and counting, so a check
//! that fails, or that a messenger of the catalogue has nothing to show for, leaves no page.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use switchboard::messenger::{About, Groups, catalogue};
use switchboard::model::message::{Kind, MediaKind};
use switchboard::model::result::Code;

use super::{changes, email, faults, incoming, outgoing, posted, reactions, vk_notify, waba};
use crate::{mail, telegram as account};

thread_local! {
    static SEEN: RefCell<BTreeMap<&'static str, usize>> = const { RefCell::new(BTreeMap::new()) };
}

/// So many things of a messenger were looked at and found good.
pub(crate) fn checked(kind: Kind, count: usize) {
    SEEN.with_borrow_mut(|seen| *seen.entry(kind.slug()).or_default() += count);
}

/// A check that takes long enough to be made once, by whoever comes first: its own test, or the page.
pub(crate) struct Once(OnceLock<BTreeMap<&'static str, usize>>);

impl Once {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Makes the check, or waits for whoever makes it, and counts what it found. One that fails fails for both.
    pub(crate) fn run(&self, check: impl FnOnce()) {
        let found = self.0.get_or_init(|| {
            let before = SEEN.take();
            check();
            SEEN.replace(before)
        });
        SEEN.with_borrow_mut(|seen| {
            for (kind, count) in found {
                *seen.entry(kind).or_default() += count;
            }
        });
    }
}

/// One column of the page.
struct Check {
    title: (&'static str, &'static str),
    says: (&'static str, &'static str),
    parts: &'static [fn()],
}

const CHECKS: [Check; 8] = [
    Check {
        title: ("Карточка", "Card"),
        says: (
            "карточка полна: названия, поля привязки, пределы файлов и темп на русском и английском",
            "the card is complete: names, fields of attaching, limits of files and the pace, in Russian and in English",
        ),
        parts: &[
            super::every_card_is_complete,
            super::every_messenger_is_found_by_its_kind_and_only_once,
            changes::what_a_messenger_does_with_sent_messages_is_declared_as_the_contract_has_it,
        ],
    },
    Check {
        title: ("Входящее", "Incoming"),
        says: (
            "каждый пример того, что присылает мессенджер, прочитан так, как записано рядом с ним; новое поле ничего не меняет",
            "every recorded thing that the vendor sends is read as is written beside it; an unknown field changes nothing",
        ),
        parts: &[
            incoming::every_fixture_is_received_as_expected,
            incoming::a_field_that_nobody_knows_yet_changes_nothing,
            email::every_fixture_of_a_mailbox_is_read_as_expected,
            account::listening::what_was_said_before_is_left_alone_and_what_comes_is_heard_at_once,
            account::listening::changes_deletions_and_readings_are_heard_live_and_after_a_gap,
            account::listening::what_the_owner_writes_elsewhere_is_ours_and_notes_and_codes_are_nobodys,
            account::listening::a_group_is_heard_and_answered,
        ],
    },
    Check {
        title: ("Подлинность", "Proof"),
        says: (
            "чужая, испорченная или пустая подпись не принимается; почтовый сервер без верного TLS не узнает пароля",
            "a wrong, damaged or missing proof is refused; a mail server without good TLS is told no password",
        ),
        parts: &[
            incoming::a_forged_delivery_is_refused,
            incoming::a_channel_without_a_secret_takes_nothing,
            email::nobody_posts_letters,
            account::listening::nobody_posts_updates,
            account::listening::a_session_that_is_ended_on_the_phone_or_used_twice_is_over,
            mail::mailbox::without_tls_nothing_is_said_unless_the_settings_allow_it,
        ],
    },
    Check {
        title: ("Плохой ввод", "Bad input"),
        says: (
            "обрезанное, испорченное и намеренно тяжёлое читается или отвергается, и никогда не ломает программу",
            "what is cut off, damaged or made heavy on purpose is read or refused, and never breaks anything",
        ),
        parts: &[
            incoming::what_is_no_json_object_is_unreadable,
            incoming::damaged_deliveries_break_nothing,
            email::bombs_do_not_go_off,
            email::every_charset_is_read,
            email::files_have_names_that_harm_nobody,
            email::damaged_letters_break_nothing,
            mail::faults::a_server_that_floods_is_left,
            account::listening::updates_that_cannot_be_read_cost_no_message,
        ],
    },
    Check {
        title: ("Запросы", "Requests"),
        says: (
            "каждый запрос каждого вида сообщения подходит под схему поставщика; письма прочитаны из настоящего ящика",
            "every request of every kind of message fits the vendor's schema; letters are read out of a real mailbox",
        ),
        parts: &[
            outgoing::every_kind_of_message_fits_the_schema,
            outgoing::what_cannot_be_sent_is_refused_before_anything_leaves,
            changes::every_change_fits_the_schema,
            reactions::every_reaction_fits_the_schema,
            waba::what_there_is_to_press_fits_the_schema,
            account::changing::texts_and_captions_are_changed_and_messages_deleted_for_both_sides,
            account::changing::a_message_is_reacted_to_and_others_are_heard,
            vk_notify::only_templates_to_phones_are_sent,
            mail::mailbox::a_letter_has_all_that_a_letter_needs,
            mail::mailbox::an_answer_goes_into_its_thread,
            mail::mailbox::every_kind_of_file_arrives_under_its_name,
            mail::faults::what_cannot_be_sent_is_refused_before_anything_leaves,
            account::sending::a_phone_is_put_into_the_contacts_and_written_to,
            account::sending::files_places_and_cards_arrive_as_what_they_are,
            account::sending::an_answer_names_what_it_answers_and_goes_without_where_that_is_gone,
            account::groups::a_group_is_made_filled_renamed_and_left,
            account::groups::a_group_that_became_a_supergroup_goes_on_under_its_new_number,
            account::sending::what_cannot_be_sent_is_refused_before_anything_leaves,
        ],
    },
    Check {
        title: ("Ответы", "Answers"),
        says: (
            "каждый ответ поставщика и каждый обрыв связи управляет очередью так, как сказано в договоре",
            "every answer of the vendor and every fault of the line steers the queue as the contract says",
        ),
        parts: &[
            faults::every_answer_of_the_vendor_steers_the_queue_as_the_contract_says,
            faults::every_recorded_answer_is_understood,
            faults::after_the_request_left_no_fault_is_taken_for_a_refusal,
            faults::a_page_that_kept_the_call_back_is_down,
            faults::without_a_connection_the_vendor_is_down,
            outgoing::abilities_agree_with_answers,
            changes::what_a_messenger_does_not_change_it_refuses_by_a_stable_code,
            changes::what_the_vendor_says_of_a_change_steers_the_queue,
            reactions::who_has_no_reactions_or_buttons_refuses_them_by_a_stable_code,
            reactions::what_the_vendor_says_of_a_reaction_steers_the_queue,
            account::changing::what_telegram_does_not_change_has_a_stable_code,
            mail::faults::before_the_final_dot_nothing_was_taken,
            mail::faults::after_the_final_dot_only_an_answer_or_a_copy_tells,
            mail::mailbox::the_server_s_refusals_steer_the_queue,
            account::sending::refusals_of_telegram_steer_the_lane,
            account::sending::nothing_leaves_where_nobody_listens_and_no_attempt_is_counted,
            account::groups::refusals_about_groups_tell_people_apart_from_the_account,
        ],
    },
    Check {
        title: ("Файлы", "Files"),
        says: (
            "файлы приходят до предела и не дальше, оборванный файл не выдаётся за отправленный, имя файла не вредит",
            "files come in up to their limit, one that breaks off is not told as sent, names do no harm",
        ),
        parts: &[
            outgoing::a_file_that_came_in_is_fetched_up_to_its_limit,
            outgoing::a_file_keeps_its_name_and_brings_no_header_of_its_own,
            faults::a_file_of_ours_that_breaks_off_was_not_taken,
            vk_notify::files_are_refused,
            mail::mailbox::a_file_that_came_in_is_fetched_by_itself_and_up_to_its_limit,
            account::listening::files_come_with_what_they_are_and_are_fetched_wherever_they_lie,
        ],
    },
    Check {
        title: ("Повторы", "Repetition"),
        says: (
            "десять одинаковых доставок дают одно сообщение на обеих базах; ключ повтора всегда один и тот же",
            "ten equal deliveries make one message on both databases; the key of a repetition is always the same",
        ),
        parts: &[
            incoming::the_same_delivery_twice_gives_the_same_keys_and_no_key_twice,
            posted::ten_equal_deliveries_make_one_message_on_both_databases,
            mail::mailbox::a_sent_letter_has_its_copy_among_the_sent_ones_once,
            account::sending::a_message_whose_fate_was_unknown_is_sent_again_and_reaches_nobody_twice,
            account::groups::a_call_about_a_group_that_is_cut_is_made_again_and_brings_nobody_in_twice,
            account::listening::a_gap_is_filled_in_order_and_nothing_is_heard_twice,
        ],
    },
];

impl Check {
    /// Runs the parts one after the other, on a thread of its own, and counts.
    fn run(&self) -> BTreeMap<&'static str, usize> {
        let parts = self.parts;
        let running = std::thread::spawn(move || {
            for part in parts {
                part();
            }
            SEEN.take()
        });
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// What each ability is called, and the code that whoever asks for a missing one is answered with.
const ABILITIES: [(&str, &str, &str, Option<Code>); 19] = [
    ("first_by_phone", "пишет первым по телефону", "writes first to a phone", Some(Code::CannotWriteFirst)),
    ("by_username", "пишет по имени пользователя", "writes to a user name", None),
    ("free_text_always", "свободный текст в любое время", "free text at any time", Some(Code::WindowClosed)),
    ("templates", "шаблоны", "templates", Some(Code::NotSupported)),
    (
        "templates_only",
        "только шаблоны, свободный текст получает `template_needed`",
        "templates alone, free text gets `template_needed`",
        None,
    ),
    ("delivered", "сообщает о доставке", "tells of the delivery", None),
    ("viewed", "сообщает о прочтении", "tells when it was read", None),
    ("drops_repeats", "сам отбрасывает повтор отправки", "drops a repeated send by itself", None),
    ("checks_phone", "проверка номера", "a phone can be checked", None),
    ("groups", "группы", "groups", None),
    ("listens", "слушает соединение, а не адрес", "listens on a connection of its own", None),
    ("threads", "темы и цепочки писем", "subjects and threads", None),
    ("edits", "изменяет отправленное", "changes what was sent", Some(Code::NotSupported)),
    ("deletes", "удаляет у обеих сторон", "deletes for both sides", Some(Code::NotSupported)),
    ("answers", "отвечает на выбранное сообщение", "answers one certain message", Some(Code::NotSupported)),
    ("places", "место на карте", "a place on the map", Some(Code::NotSupported)),
    ("cards", "карточка контакта", "a card of a person", Some(Code::NotSupported)),
    ("interactive", "кнопки и списки под текстом", "buttons and lists beneath a text", Some(Code::NotSupported)),
    ("reactions", "ставит и слышит реакции", "reacts, and hears of reactions", Some(Code::NotSupported)),
];

type InGroups = (&'static str, &'static str, fn(Groups) -> bool);

/// What is done with groups beside writing into them.
const IN_GROUPS: [InGroups; 4] = [
    ("создаёт группы", "makes groups", |groups| groups.create),
    ("добавляет в группы людей", "adds people to groups", |groups| groups.add),
    ("переименовывает группы", "renames groups", |groups| groups.rename),
    ("выходит из групп", "leaves groups", |groups| groups.leave),
];

const KINDS: [(MediaKind, &str, &str); 6] = [
    (MediaKind::Image, "картинка", "picture"),
    (MediaKind::Video, "видео", "video"),
    (MediaKind::Audio, "аудио", "audio"),
    (MediaKind::Voice, "голосовое", "voice note"),
    (MediaKind::Sticker, "стикер", "sticker"),
    (MediaKind::Document, "документ", "document"),
];

const HEAD: &str = "\
# Мессенджеры (Messengers)

Страница создаётся проверками из карточек мессенджеров: правьте `src/messenger/` и `tests/it/messengers/`, не её, и запустите
команду.
This page is made by the tests from the cards of the messengers: change `src/messenger/` and `tests/it/messengers/`, not the
page, and run the command.

```
UPDATE_DOCS=1 cargo test --locked --test it the_page_of_messengers
```
";

fn title(about: &About) -> String {
    let (ru, en) = about.title;
    if ru == en { ru.to_owned() } else { format!("{ru} ({en})") }
}

fn line(cells: impl IntoIterator<Item = String>) -> String {
    format!("| {} |\n", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

fn ruler(columns: usize) -> String {
    line(std::iter::repeat_n("---".to_owned(), columns))
}

/// The table of checks: a row for each messenger of the catalogue, a column for each check.
fn checks() -> String {
    let columns: Vec<BTreeMap<&str, usize>> = std::thread::scope(|scope| {
        let running: Vec<_> = CHECKS.iter().map(|check| scope.spawn(|| check.run())).collect();
        running.into_iter().map(|check| check.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let mut page = String::from("\n## Что проверено (What is checked)\n\n");
    page.push_str("✓ и число проверенного. (✓ and how much was looked at.)\n\n");
    let titles = CHECKS.iter().map(|check| format!("{} ({})", check.title.0, check.title.1));
    page.push_str(&line(std::iter::once("Мессенджер (Messenger)".to_owned()).chain(titles)));
    page.push_str(&ruler(CHECKS.len() + 1));
    for messenger in catalogue() {
        let about = messenger.about();
        let cells = columns.iter().zip(&CHECKS).map(|(column, check)| {
            let count = column.get(about.kind.slug()).copied().unwrap_or_default();
            assert!(count > 0, "{} has nothing to show for «{}»", about.kind.slug(), check.title.1);
            format!("✓ {count}")
        });
        page.push_str(&line(std::iter::once(title(about)).chain(cells)));
    }
    page.push('\n');
    for check in &CHECKS {
        let _ =
            writeln!(page, "* **{}**: {}.\n  **{}**: {}.", check.title.0, check.says.0, check.title.1, check.says.1);
    }
    page
}

/// The tables of abilities and limits: a column for each messenger.
fn cards() -> String {
    let abouts: Vec<&About> = catalogue().iter().map(|messenger| messenger.about()).collect();
    let titles = || abouts.iter().map(|about| title(about));
    let mut page = String::from("\n## Что умеет (What each one can do)\n\n");
    page.push_str("Чего нет, на то отвечает код. (What is missing is answered with the code.)\n\n");
    page.push_str(&line(
        std::iter::once("Умение (Ability)".to_owned()).chain(titles()).chain(["Код (Code)".to_owned()]),
    ));
    page.push_str(&ruler(abouts.len() + 2));
    let known = serde_json::to_value(abouts[0].abilities).unwrap();
    let named: Vec<&str> = ABILITIES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(known.as_object().unwrap().keys().collect::<Vec<_>>(), named, "an ability has no words on the page");
    for (name, ru, en, code) in &ABILITIES {
        let cells = abouts.iter().map(|about| {
            let has = serde_json::to_value(about.abilities).unwrap()[name].as_bool().unwrap();
            if has { "✓" } else { "—" }.to_owned()
        });
        let code = code.map(|code| format!("`{}`", code.slug())).unwrap_or_default();
        page.push_str(&line(std::iter::once(format!("{ru} ({en})")).chain(cells).chain([code])));
    }
    for (ru, en, has) in IN_GROUPS {
        let cells = catalogue().iter().map(|messenger| if has(messenger.groups()) { "✓" } else { "—" }.to_owned());
        let code = format!("`{}`", Code::NotSupported.slug());
        page.push_str(&line(std::iter::once(format!("{ru} ({en})")).chain(cells).chain([code])));
    }
    page.push_str("\n## Пределы (Limits)\n\n");
    page.push_str(&line(std::iter::once("Предел (Limit)".to_owned()).chain(titles())));
    page.push_str(&ruler(abouts.len() + 1));
    let mut row = |name: &str, of: &dyn Fn(&About) -> String| {
        page.push_str(&line(std::iter::once(name.to_owned()).chain(abouts.iter().map(|about| of(about)))));
    };
    row("текст, знаков (text, characters)", &|about| about.text_limit.to_string());
    row("подпись, знаков (caption, characters)", &|about| about.caption_limit.to_string());
    for (kind, ru, en) in KINDS {
        row(&format!("{ru}, МБ ({en}, MB)"), &|about| {
            let limit = about.media_limits.iter().find(|(listed, _)| *listed == kind).map(|(_, limit)| *limit);
            limit.map_or_else(|| "—".to_owned(), megabytes)
        });
    }
    row("изменение, часов после отправки (change, hours after sending)", &|about| {
        within(about.abilities.edits, about.changes.edit_within_ms)
    });
    row("изменение подписи файла (change of a caption)", &|about| yes(about.changes.captions));
    row("удаление, часов после отправки (deletion, hours after sending)", &|about| {
        within(about.abilities.deletes, about.changes.delete_within_ms)
    });
    row("удаление чужого (deletion of theirs)", &|about| yes(about.changes.deletes_theirs));
    row(
        "кость в личном чате удаляется через, часов (a die in a private chat is deleted after, hours)",
        &|about| about.changes.dice_after_ms.map_or_else(|| "—".to_owned(), hours),
    );
    row("контактов в сообщении (cards in a message)", &|about| count(about.card_limit));
    row("кнопок под текстом (buttons beneath a text)", &|about| count(about.interactive.buttons));
    row("строк в списке (rows of a list)", &|about| count(about.interactive.rows));
    row("реакция, часов после отправки (reaction, hours after sending)", &|about| {
        within(about.abilities.reactions, about.changes.react_within_ms)
    });
    row("наименьшая пауза, с (shortest gap, s)", &|about| seconds(about.floor_ms));
    page
}

/// Until when something is done; «∞» where that has no end.
fn within(does: bool, within_ms: Option<i64>) -> String {
    if does { within_ms.map_or_else(|| "∞".to_owned(), hours) } else { "—".to_owned() }
}

fn count(most: usize) -> String {
    if most == 0 { "—".to_owned() } else { most.to_string() }
}

fn yes(does: bool) -> String {
    if does { "✓" } else { "—" }.to_owned()
}

fn hours(ms: i64) -> String {
    let quarters = ms / 900_000;
    if quarters % 4 == 0 { (quarters / 4).to_string() } else { format!("{}.{}", quarters / 4, quarters % 4 * 25) }
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    if tenths.is_multiple_of(10) { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

fn seconds(ms: i64) -> String {
    if ms % 1000 == 0 {
        (ms / 1000).to_string()
    } else {
        format!("{}.{:03}", ms / 1000, ms % 1000).trim_end_matches('0').to_owned()
    }
}

#[test]
fn the_page_of_messengers_is_what_the_checks_found() {
    let page = [HEAD.to_owned(), checks(), cards()].concat();
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs/messengers.md"].iter().collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(on_disk == page, "docs/messengers.md is old: run this test once with UPDATE_DOCS=1\n{page}");
}

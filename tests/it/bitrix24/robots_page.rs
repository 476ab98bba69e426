//! docs/robots.md is written from the definitions of the robots.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;
use switchboard::crm::bitrix24::robot::Robot;

const HEAD: &str = "\
# Роботы Битрикс24 (Robots of Bitrix24)

Страница создаётся из определений в `robots/`: правьте их, не её, и запустите команду.
This page is made from the definitions in `robots/`: change those, not the page, and run the command.

```
UPDATE_DOCS=1 cargo test --locked --test it the_page_of_robots
```

Роботы ставит установка приложения; в Битрикс24 они лежат в «Другие роботы». Каждый отвечает один раз и в любом случае: при
удаче, при ошибке и до тайм-аута, который задан в его настройках. Коды ошибок — на странице [result-codes.md](result-codes.md).
Каждый из них срабатывает с хорошими данными и с плохими: на сделке демонстрации (`make run`), в браузере —
`tests/browser/robots.test.mjs`, и на обеих базах данных — `tests/it/trips/robots.rs`.

The installation of the application sets them up; in Bitrix24 they are under «Другие роботы». Each answers once and in any case: when
it went well, when it did not, and before the time-out in its settings. The codes of errors are on the page
[result-codes.md](result-codes.md). Each fires with good and with bad input: on the deal of the demo (`make run`), in a browser by
`tests/browser/robots.test.mjs`, and on both databases by `tests/it/trips/robots.rs`.
";

const TAIL: &str = "
## Общее (What they have in common)

* **Телефоны, Id чатов, Id групп**: несколько значений через запятую, точку с запятой или с новой строки. Один неверный адрес
  портит только свою запись в подробном результате.
* **Id линии** пуст: у роботов, которые пишут людям, линия должна быть одна; группы и диалоги находятся на любой линии.
* **Статус отправки** «Y»: у роботов групп — группа создана, дополнена, переименована, удалена, даже если кого-то добавить не удалось: это
  видно из списков. У остальных — удалось для каждого адреса (или для первого, у кого есть мессенджер).
* **Документ CRM**: PDF Битрикс24 готовит не сразу. Робот спрашивает снова, пока идёт его тайм-аут (без тайм-аута — 10 минут), потом
  отвечает `document_not_ready`. Если PDF получиться не может, уходит DOCX.
* **Файл с Диска** загружается один раз для всех адресов и лежит в файлах компании, пока не выйдет их срок.

* **Phones, chat ids, group ids**: several values separated by commas, semicolons or line feeds. One bad address spoils only its own entry of
  the detailed result.
* **Line id** empty: robots that write to people need one line only; groups and dialogs are found on any line.
* **Send status** `Y`: for robots of groups the group was made, filled, renamed, deleted, even where somebody could not be added: the lists
  tell that. For the others it went well for each address (or for the first that has the messenger).
* **Document of the CRM**: Bitrix24 takes a while to make the PDF. The robot asks again until its time-out (10 minutes where it has none), and
  answers `document_not_ready` then. Where no PDF can be made of it, the DOCX is sent.
* **File of the Disk**: it is fetched once for all addresses and lies among the company's files until their time is over.
";

fn ru<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]["ru"].as_str().unwrap_or_default()
}

fn en<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]["en"].as_str().unwrap_or_default()
}

fn title(name: &str) -> &str {
    name.strip_prefix("[Switchboard] ").unwrap()
}

/// A row for each robot.
fn overview() -> String {
    let mut page =
        String::from("\n| Робот (Robot) | Код (Code) | Что делает (What it does) | Его результаты (Its results) |\n");
    page.push_str("| --- | --- | --- | --- |\n");
    for robot in Robot::ALL {
        let body = robot.definition();
        let results: Vec<String> =
            body["RETURN_PROPERTIES"].as_object().unwrap().keys().map(|name| format!("`{name}`")).collect();
        let (ru_name, en_name) = (title(ru(&body, "NAME")), title(en(&body, "NAME")));
        let does = (ru(&body, "DESCRIPTION"), en(&body, "DESCRIPTION"));
        let results = results.join(", ");
        writeln!(page, "| {ru_name} ({en_name}) | `{}` | {} ({}) | {results} |", robot.code(), does.0, does.1).unwrap();
    }
    page
}

/// The fields and results of a robot.
fn card(robot: Robot) -> String {
    let body = robot.definition();
    let mut page = format!("\n## {} ({})\n\n", title(ru(&body, "NAME")), title(en(&body, "NAME")));
    page.push_str("| | Имя (Name) | Ключ (Key) | Тип (Type) | |\n| --- | --- | --- | --- | --- |\n");
    for (group, mark) in [("PROPERTIES", "→"), ("RETURN_PROPERTIES", "←")] {
        for (key, property) in body[group].as_object().unwrap() {
            let kind = property["Type"].as_str().unwrap();
            let needed = if property["Required"] == "Y" { "\\*" } else { "" };
            let said = ru(property, "Description");
            let name = format!("{} ({})", ru(property, "Name"), en(property, "Name"));
            writeln!(page, "| {mark} | {name} | `{key}`{needed} | {kind} | {said} |").unwrap();
        }
    }
    page
}

#[test]
fn the_page_of_robots_is_what_the_definitions_say() {
    let cards: String = Robot::ALL.iter().map(|robot| card(*robot)).collect();
    let page = [HEAD, &overview(), TAIL, &cards].concat();
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "docs/robots.md"].iter().collect();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let on_disk = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(on_disk == page, "docs/robots.md is old: run this test once with UPDATE_DOCS=1\n{page}");
}

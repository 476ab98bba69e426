//! What goes wrong while signing in, in words for the person who does it.

use super::driver::Trouble;
use crate::messenger::{AttachError, field};

/// A trouble as a person must hear it; `about` is the field that was filled in.
pub(super) fn explain(trouble: &Trouble, about: &'static str) -> AttachError {
    match trouble {
        Trouble::Refused(error) => said(&error.name, error.value, about),
        Trouble::NotSent(seen) | Trouble::Unsure(seen) => AttachError::silent(("Telegram", "Telegram"), seen),
    }
}

fn said(name: &str, value: Option<u32>, about: &'static str) -> AttachError {
    let (at, ru, en) = match name {
        "API_ID_INVALID" | "API_ID_PUBLISHED_FLOOD" => (
            "",
            "Telegram не принимает ключи приложения. Получите свои на my.telegram.org и укажите telegram.api_id и telegram.api_hash в настройках сервера.",
            "Telegram does not take the keys of the application. Get your own at my.telegram.org and put telegram.api_id and telegram.api_hash into the settings of the server.",
        ),
        "PHONE_NUMBER_INVALID" => (
            "phone",
            "Такого номера не бывает. Укажите его в международном виде, например +7 916 123-45-67.",
            "There is no such number. Give it in its international form, as +7 916 123-45-67.",
        ),
        "PHONE_NUMBER_UNOCCUPIED" => (
            "phone",
            "На этом номере нет аккаунта Telegram. Заведите его в приложении Telegram на телефоне и повторите.",
            "This number has no Telegram account. Make one in the Telegram app on the phone and try again.",
        ),
        "PHONE_NUMBER_BANNED" => (
            "phone",
            "Telegram заблокировал этот номер. Напишите на recover@telegram.org или возьмите другой номер.",
            "Telegram has banned this number. Write to recover@telegram.org, or take another number.",
        ),
        "PHONE_CODE_INVALID" => (
            "code",
            "Код неверный. Проверьте последнее сообщение от Telegram и введите код ещё раз.",
            "The code is wrong. Look at the latest message from Telegram and type the code again.",
        ),
        "PHONE_CODE_EMPTY" => ("code", "Введите код из Telegram.", "Type the code from Telegram."),
        // another code needs another first step
        "PHONE_CODE_EXPIRED" => (
            "",
            "Код больше не действует: он живёт недолго и гаснет, если его переслать. Начните привязку заново, придёт новый.",
            "The code is void: it does not live long, and dies when it is forwarded. Begin again, a new one will come.",
        ),
        "PASSWORD_HASH_INVALID" => (
            "password",
            "Пароль двухэтапной проверки неверный. Его задавали в Telegram: Настройки, Конфиденциальность, Облачный пароль.",
            "The password of the two-step verification is wrong. It was set in Telegram: Settings, Privacy, Two-step verification.",
        ),
        "SRP_ID_INVALID" | "SRP_PASSWORD_CHANGED" => (
            "password",
            "Проверка пароля устарела. Введите пароль ещё раз.",
            "The check of the password is out of date. Type the password again.",
        ),
        "PHONE_NUMBER_FLOOD"
        | "PHONE_PASSWORD_FLOOD"
        | "FLOOD_WAIT"
        | "FLOOD_PREMIUM_WAIT"
        | "FLOOD_TEST_PHONE_WAIT"
        | "AUTH_RESTART" => return wait(name, value, about),
        "AUTH_TOKEN_EXPIRED" | "AUTH_TOKEN_INVALID" | "AUTH_TOKEN_ALREADY_ACCEPTED" => (
            "",
            "QR-код устарел. Нажмите «Обновить» и отсканируйте новый.",
            "The QR code is out of date. Press Refresh and scan the new one.",
        ),
        "AUTH_KEY_UNREGISTERED" | "AUTH_KEY_DUPLICATED" | "SESSION_REVOKED" | "SESSION_EXPIRED" => {
            ("", "Telegram прервал вход. Начните привязку заново.", "Telegram broke the sign-in off. Begin again.")
        }
        "USER_DEACTIVATED" | "USER_DEACTIVATED_BAN" => (
            "",
            "Этот аккаунт удалён или заблокирован Telegram. Войдите в него в приложении, чтобы узнать причину.",
            "This account was deleted or banned by Telegram. Sign in with the app to see why.",
        ),
        _ => {
            let text = field::short(name);
            return AttachError {
                field: about,
                ru: format!("Telegram отказал: {text}. Повторите позже."),
                en: format!("Telegram refused: {text}. Try again later."),
            };
        }
    };
    AttachError::new(at, ru, en)
}

fn wait(name: &str, value: Option<u32>, about: &'static str) -> AttachError {
    let (ru, en) = match value.map(|seconds| seconds.div_ceil(60)) {
        Some(minutes) if minutes < 120 => (format!("{minutes} мин"), format!("{minutes} min")),
        Some(minutes) => (format!("{} ч", minutes.div_ceil(60)), format!("{} h", minutes.div_ceil(60))),
        None if name == "AUTH_RESTART" => ("минуту".to_owned(), "a minute".to_owned()),
        None => ("24 ч".to_owned(), "24 h".to_owned()),
    };
    AttachError {
        field: about,
        ru: format!("Слишком много попыток входа: Telegram просит подождать. Повторите через {ru}."),
        en: format!("Too many tries to sign in: Telegram asks to wait. Try again in {en}."),
    }
}

#[cfg(test)]
mod tests {
    use grammers_mtsender::RpcError;
    use grammers_tl_types::types;

    use super::*;

    fn told(text: &str) -> AttachError {
        let error = RpcError::from(types::RpcError { error_code: 400, error_message: text.to_owned() });
        explain(&Trouble::Refused(error), "phone")
    }

    #[test]
    fn every_error_of_signing_in_names_its_field_and_the_remedy() {
        for (text, field, ru, en) in [
            ("API_ID_INVALID", "", "telegram.api_id", "telegram.api_id"),
            ("PHONE_NUMBER_INVALID", "phone", "международном", "international"),
            ("PHONE_NUMBER_UNOCCUPIED", "phone", "нет аккаунта", "no Telegram account"),
            ("PHONE_NUMBER_BANNED", "phone", "заблокировал", "banned"),
            ("PHONE_CODE_INVALID", "code", "ещё раз", "again"),
            ("PHONE_CODE_EMPTY", "code", "Введите код", "Type the code"),
            ("PHONE_CODE_EXPIRED", "", "новый", "new one"),
            ("PASSWORD_HASH_INVALID", "password", "неверный", "wrong"),
            ("SRP_ID_INVALID", "password", "ещё раз", "again"),
            ("PHONE_NUMBER_FLOOD", "phone", "24 ч", "24 h"),
            ("PHONE_PASSWORD_FLOOD", "phone", "24 ч", "24 h"),
            ("FLOOD_WAIT_600", "phone", "10 мин", "10 min"),
            ("FLOOD_WAIT_86000", "phone", "24 ч", "24 h"),
            ("AUTH_TOKEN_EXPIRED", "", "Обновить", "Refresh"),
            ("USER_DEACTIVATED_BAN", "", "заблокирован", "banned"),
            ("SOMETHING_NEW", "phone", "SOMETHING_NEW", "SOMETHING_NEW"),
        ] {
            let told = told(text);
            assert_eq!(told.field, field, "{text}");
            assert!(told.ru.contains(ru) && told.en.contains(en), "{text}: {told:?}");
        }
        let silent = explain(&Trouble::Unsure("seen".to_owned()), "phone");
        assert!(silent.en.contains("seen") && silent.field.is_empty());
    }
}

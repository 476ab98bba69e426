// Texts of the page in two languages.

export const words = {
  ru: {
    vk: "ВКонтакте", avito: "Авито", skip: "К содержанию", title: "Песочница", lead: "Телефоны клиентов, портал Битрикс24 и очередь Switchboard на одной странице. Наружу ничего не уходит.",
    offline: "Нет связи с песочницей. Переподключаемся…", phones: "Телефоны клиентов", noPhones: "Телефонов пока нет. Их создаёт демо или запрос POST /_/phones.",
    say: "Сообщение от клиента", send: "Отправить", read: "Прочитать", start: "Запустить рассылку", deal: "Сделка", noPortal: "Порталов пока нет. Их создаёт демо или запрос POST /_/b24/demo.",
    noRobot: "Приложение ещё не установило роботов.", robot: "Робот на стадии «В работе»", timeout: "Ждать ответа, секунд", results: "Что вернул робот", timeline: "Лента сделки",
    queue: "Очередь Switchboard", mailings: "Рассылки", letter: "CRM-маркетинг", noSender: "Приложение ещё не добавило отправителей SMS.", text: "Текст письма, {name} — имя контакта",
    sender: "Отправитель", contacts: "Контактов", fire: "Перевести в «В работе» и запустить робота", noSteps: "Робот ещё не запускался.", noComments: "Комментариев пока нет.",
    noQueue: "Switchboard не отвечает.", emptyQueue: "В очереди пусто.", noMailings: "Рассылок пока нет.", next: "следующее через", now: "сейчас", waiting: "ждёт", waits: "Ждёт", yes: "Да", no: "Нет", sent: "отправлено",
    pause: "Приостановить", resume: "Продолжить", stop: "Остановить", messages: "Сообщений пока нет", typing: "Напишите от имени клиента", unread: "без ответа",
    s: "с", m: "мин", started: "Клиент нажал «Старт»", startBot: "Нажать «Старт»", bot: "Бот Telegram", signInCode: "Код входа в Telegram для", scanAccount: "Сканировать QR-код для аккаунта", scan: "Сканировать QR-код сессии", unlink: "Удалить устройство", nothing: "ещё ничего", ignored: "лишних ответов", inFlight: "уже отправляются", of: "из",
    steps: { waiting: "Ждёт ответа", answered: "Ответ получен", timed_out: "Время вышло", passed: "Без ожидания" },
    lanes: { running: "Работает", paused: "На паузе", held: "Удержана", lost: "Требует входа", closed: "Закрыта" },
    runs: { running: "В процессе", paused: "На паузе", stopped: "Остановлена", finished: "Завершена" },
    counts: { pending: "не начато", queued: "в очереди", sent: "отправлено", delivered: "доставлено", viewed: "просмотрено", error: "ошибка", unknown: "неизвестно", not_sent: "не отправлено", skipped: "пропущено" },
    statuses: { queued: "В очереди", sent: "Отправлено", delivered: "Доставлено", undelivered: "Не доставлено", failed: "Ошибка", read: "Прочитано", deleted: "Удалено" },
    kinds: { image: "Фото", document: "Файл", video: "Видео", audio: "Аудио", voice: "Голосовое", animation: "GIF", template: "Шаблон" },
    ranks: ["живой ответ", "робот", "CRM-маркетинг", "рассылка"], failed: "Не получилось", confirmStop: "Остановить рассылку «{0}»? Оставшиеся сообщения не уйдут.",
  },
  en: {
    vk: "VK", avito: "Avito", skip: "Skip to content", title: "Sandbox", lead: "Phones of customers, a Bitrix24 portal and the queue of Switchboard on one page. Nothing leaves this machine.",
    offline: "The sandbox does not answer. Connecting again…", phones: "Phones of customers", noPhones: "No phones yet. The demo makes them, or POST /_/phones.",
    say: "Message from the customer", send: "Send", read: "Read", start: "Start the letter", deal: "Deal", noPortal: "No portals yet. The demo makes them, or POST /_/b24/demo.",
    noRobot: "The app has not installed any robots yet.", robot: "Robot on the stage “In progress”", timeout: "Wait for an answer, seconds", results: "What the robot gave back", timeline: "Timeline of the deal",
    queue: "Queue of Switchboard", mailings: "Mailings", letter: "CRM marketing", noSender: "The app has not added any SMS senders yet.", text: "Text, {name} is the name of the contact",
    sender: "Sender", contacts: "Contacts", fire: "Move to “In progress” and fire the robot", noSteps: "The robot was not fired yet.", noComments: "No comments yet.",
    noQueue: "Switchboard does not answer.", emptyQueue: "The queue is empty.", noMailings: "No mailings yet.", next: "next in", now: "now", waiting: "waiting", waits: "Waiting", yes: "Yes", no: "No", sent: "sent",
    pause: "Pause", resume: "Resume", stop: "Stop", messages: "No messages yet", typing: "Write as the customer", unread: "unanswered",
    s: "s", m: "min", started: "The customer pressed Start", startBot: "Press Start", bot: "Telegram bot", signInCode: "Sign-in code of Telegram for", scanAccount: "Scan the QR code for the account", scan: "Scan the QR code of the session", unlink: "Remove the device", nothing: "nothing yet", ignored: "extra answers", inFlight: "on their way already", of: "of",
    steps: { waiting: "Waits for an answer", answered: "Answered", timed_out: "Timed out", passed: "Did not wait" },
    lanes: { running: "Running", paused: "Paused", held: "Held", lost: "Needs sign-in", closed: "Closed" },
    runs: { running: "Running", paused: "Paused", stopped: "Stopped", finished: "Finished" },
    counts: { pending: "not begun", queued: "queued", sent: "sent", delivered: "delivered", viewed: "viewed", error: "error", unknown: "unknown", not_sent: "not sent", skipped: "skipped" },
    statuses: { queued: "Queued", sent: "Sent", delivered: "Delivered", undelivered: "Undelivered", failed: "Failed", read: "Read", deleted: "Deleted" },
    kinds: { image: "Photo", document: "File", video: "Video", audio: "Audio", voice: "Voice", animation: "GIF", template: "Template" },
    ranks: ["live answer", "robot", "CRM marketing", "mailing"], failed: "That failed", confirmStop: "Stop the mailing “{0}”? The remaining messages will not be sent.",
  },
};

export const stages = {
  en: { NEW: "New", PREPARATION: "Documents", EXECUTING: "In progress", FINAL_INVOICE: "Invoice", WON: "Won" },
};

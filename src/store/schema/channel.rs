//! Tables about channels: how they are attached, how they fare, what is known of their chats.

diesel::table! {
    linkings (hook_key) {
        hook_key -> Text,
        company -> Text,
        line -> BigInt,
        messenger -> Text,
        tries -> Integer,
        tries_since -> BigInt,
    }
}

diesel::table! {
    channel_links (channel) {
        channel -> Text,
        told_at -> BigInt,
    }
}

diesel::table! {
    chat_names (channel, hidden) {
        channel -> Text,
        hidden -> Text,
        shown -> Text,
    }
}

diesel::table! {
    phone_checks (channel, phone) {
        channel -> Text,
        phone -> Text,
        chat -> Nullable<Text>,
        checked_at -> BigInt,
    }
}

diesel::table! {
    healths (channel) {
        channel -> Text,
        company -> Text,
        receipt_at -> Nullable<BigInt>,
        message_at -> Nullable<BigInt>,
        error_at -> Nullable<BigInt>,
        error_code -> Nullable<Text>,
        error -> Nullable<Text>,
        suspect_at -> Nullable<BigInt>,
        suspect_until -> Nullable<BigInt>,
        suspect -> Nullable<Text>,
        told_lost -> Bool,
        turned_at -> Nullable<BigInt>,
        falls -> Integer,
        tell_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    notes (channel, name) {
        channel -> Text,
        company -> Text,
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    first_contacts (channel, peer) {
        channel -> Text,
        company -> Text,
        peer -> Text,
        chat -> Nullable<Text>,
        begun_at -> BigInt,
    }
}

diesel::table! {
    first_gates (channel) {
        channel -> Text,
        company -> Text,
        last_at -> BigInt,
        held_until -> BigInt,
    }
}

diesel::table! {
    templates (channel, name, language) {
        channel -> Text,
        name -> Text,
        language -> Text,
        company -> Text,
        status -> Text,
        category -> Text,
        quality -> Nullable<Text>,
        reason -> Nullable<Text>,
        card -> Text,
        synced_at -> BigInt,
    }
}

diesel::table! {
    visits (digest) {
        digest -> Text,
        company -> Text,
        user_id -> Nullable<Text>,
        line -> BigInt,
        messenger -> Text,
        kept -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    group_acts (id) {
        id -> Text,
        company -> Text,
        channel -> Text,
        chat -> Nullable<Text>,
        act -> Text,
        invitation -> Nullable<Text>,
        state -> Text,
        done -> Nullable<Text>,
        people -> Nullable<Text>,
        code -> Nullable<Text>,
        reason -> Nullable<Text>,
        accepted_at -> BigInt,
        over_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    standings (channel) {
        channel -> Text,
        company -> Text,
        look_at -> BigInt,
        looked_at -> Nullable<BigInt>,
        list_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    message_changes (id) {
        id -> Text,
        company -> Text,
        channel -> Text,
        chat -> Text,
        vendor_id -> Text,
        message -> Nullable<Text>,
        key -> Text,
        act -> Text,
        text -> Nullable<Text>,
        state -> Text,
        code -> Nullable<Text>,
        reason -> Nullable<Text>,
        asked -> Bool,
        asked_at -> BigInt,
        done_at -> Nullable<BigInt>,
        who -> Nullable<Text>,
    }
}

diesel::table! {
    chat_subjects (channel, chat) {
        channel -> Text,
        chat -> Text,
        about -> Nullable<Text>,
        link -> Nullable<Text>,
    }
}

diesel::table! {
    dialog_tags (dialog, key) {
        dialog -> Text,
        company -> Text,
        key -> Text,
        tag -> Text,
        set_at -> BigInt,
    }
}

diesel::table! {
    opt_outs (company, address) {
        company -> Text,
        address -> Text,
        word -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    deliveries (n) {
        n -> BigInt,
        company -> Text,
        channel -> Text,
        outcome -> Text,
        size -> BigInt,
        cut -> Bool,
        events -> Integer,
        sealed -> Text,
        received_at -> BigInt,
    }
}

//! The tables, as both databases have them. `tests/it/house.rs` compares it with the migrations.

mod channel;
mod open_line;
mod portal;
mod webhook;

pub(super) use self::channel::{
    channel_links, chat_names, chat_subjects, deliveries, dialog_tags, first_contacts, first_gates, group_acts,
    healths, linkings, message_changes, notes, opt_outs, phone_checks, standings, templates, visits,
};
pub(super) use self::portal::portal_pages;
pub(super) use self::webhook::{webhook_events, webhooks};

pub(super) use self::open_line::{
    open_line_chats, open_line_connections, open_line_parts, open_line_posts, open_line_watch, open_line_wishes,
    open_line_words,
};

diesel::table! {
    companies (id) {
        id -> Text,
        name -> Text,
        zone -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        company -> Text,
        login -> Text,
        name -> Text,
        role -> Text,
        password_hash -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    tokens (hash) {
        hash -> Text,
        company -> Text,
        user_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    lines (id) {
        id -> BigInt,
        company -> Text,
        name -> Text,
        plan -> Text,
        expires_at -> BigInt,
        hours -> Nullable<Text>,
        demo_used -> Integer,
        created_at -> BigInt,
    }
}

diesel::table! {
    lanes (id) {
        id -> BigInt,
        company -> Text,
        kind -> Text,
        shard -> SmallInt,
        state -> SmallInt,
        pace -> Text,
        hours -> Nullable<Text>,
        version -> BigInt,
        sent_boot -> Nullable<Text>,
        sent_tick -> BigInt,
        sent_gap_ms -> BigInt,
        live_tick -> BigInt,
    }
}

diesel::table! {
    channels (id) {
        id -> Text,
        company -> Text,
        line -> BigInt,
        lane -> BigInt,
        messenger -> Text,
        account -> Text,
        state -> Text,
        secrets -> Text,
        settings -> Text,
        hook_key -> Text,
        lost_reason -> Nullable<Text>,
        connected_at -> BigInt,
        created_at -> BigInt,
        renewer -> Nullable<Text>,
        renewer_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    errands (id) {
        id -> BigInt,
        company -> Text,
        lane -> BigInt,
        rank -> SmallInt,
        peer -> Text,
        state -> SmallInt,
        attempts -> Integer,
        not_before -> BigInt,
        accepted_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        merge_key -> Nullable<Text>,
        mailing -> Nullable<Text>,
        work -> Text,
        origin -> Text,
    }
}

diesel::table! {
    expiries (due, lane) {
        due -> BigInt,
        lane -> BigInt,
    }
}

diesel::table! {
    claims (id) {
        id -> Text,
        owner -> Text,
        errands -> Text,
    }
}

diesel::table! {
    accepted_keys (company, key) {
        company -> Text,
        key -> Text,
        accepted_at -> BigInt,
    }
}

diesel::table! {
    owners (id) {
        id -> Text,
        beat -> BigInt,
    }
}

diesel::table! {
    shards (id) {
        id -> SmallInt,
        owner -> Nullable<Text>,
    }
}

diesel::table! {
    listenings (channel) {
        channel -> Text,
        company -> Text,
        cursor -> Nullable<Text>,
        connected_at -> Nullable<BigInt>,
        heard_at -> Nullable<BigInt>,
        error_at -> Nullable<BigInt>,
        error -> Nullable<Text>,
        gap_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    contacts (id) {
        id -> Text,
        company -> Text,
        name -> Text,
        phone -> Nullable<Text>,
        username -> Nullable<Text>,
        created_at -> BigInt,
    }
}

diesel::table! {
    dialogs (id) {
        id -> Text,
        company -> Text,
        channel -> Text,
        contact -> Nullable<Text>,
        chat -> Text,
        title -> Text,
        is_group -> Bool,
        allowed -> Bool,
        incoming_at -> Nullable<BigInt>,
        created_at -> BigInt,
        thread -> Nullable<Text>,
        led_at -> Nullable<BigInt>,
        free_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    messages (id) {
        id -> Text,
        company -> Text,
        channel -> Text,
        chat -> Text,
        outgoing -> Bool,
        status -> SmallInt,
        vendor_id -> Nullable<Text>,
        content -> Text,
        origin -> Text,
        code -> Nullable<Text>,
        reason -> Nullable<Text>,
        accepted_at -> BigInt,
        sent_at -> Nullable<BigInt>,
        delivered_at -> Nullable<BigInt>,
        viewed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    early_receipts (id) {
        id -> BigInt,
        channel -> Text,
        vendor_id -> Text,
        receipt -> Text,
        received_at -> BigInt,
    }
}

diesel::table! {
    hooks (id) {
        id -> Text,
        source -> Text,
        owner -> Text,
        key -> Text,
        body -> Nullable<Text>,
        state -> SmallInt,
        attempts -> Integer,
        refusal -> Nullable<Text>,
        received_at -> BigInt,
    }
}

diesel::table! {
    portals (id) {
        id -> Text,
        company -> Text,
        member_id -> Text,
        domain -> Text,
        client_endpoint -> Text,
        server_endpoint -> Text,
        application_token -> Text,
        state -> Text,
        lane -> BigInt,
        hook_key -> Text,
        robot_url -> Nullable<Text>,
        event_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    portal_tokens (portal, user_id) {
        portal -> Text,
        user_id -> Text,
        is_admin -> Bool,
        access_token -> Text,
        refresh_token -> Text,
        expires_at -> BigInt,
        version -> BigInt,
        lease_owner -> Nullable<Text>,
        lease_until -> BigInt,
        dead -> Bool,
    }
}

diesel::table! {
    answers (id) {
        id -> Text,
        company -> Text,
        portal -> Text,
        event_token -> Text,
        document_id -> Text,
        waits -> Bool,
        exact -> Bool,
        comments -> Bool,
        mode -> Text,
        plan -> Nullable<Text>,
        state -> SmallInt,
        open_entries -> Integer,
        answer_by -> Nullable<BigInt>,
        created_at -> BigInt,
        robot -> Text,
    }
}

diesel::table! {
    answer_entries (answer, entry) {
        answer -> Text,
        entry -> Integer,
        chat_id -> Text,
        ok -> Nullable<Bool>,
        code -> Nullable<Text>,
        reason -> Nullable<Text>,
        message -> Nullable<Text>,
    }
}

diesel::table! {
    mailings (id) {
        id -> Text,
        company -> Text,
        channel -> Text,
        lane -> BigInt,
        title -> Text,
        state -> Text,
        portal -> Nullable<Text>,
        sender_code -> Nullable<Text>,
        author -> Nullable<Text>,
        shape -> Nullable<Text>,
        last_row_at -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    recipients (id) {
        id -> Text,
        company -> Text,
        mailing -> Text,
        peer -> Text,
        content -> Text,
        status -> Text,
        code -> Nullable<Text>,
        reason -> Nullable<Text>,
        message -> Nullable<Text>,
        vendor_message -> Nullable<Text>,
        accepted_at -> BigInt,
        sent_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    company_events (id) {
        id -> Text,
        company -> Text,
        kind -> Text,
        subject -> Text,
        body -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    notices (id) {
        id -> Text,
        company -> Text,
        address -> Text,
        subject -> Text,
        body -> Text,
        state -> SmallInt,
        attempts -> Integer,
        due_at -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    files (id) {
        id -> Text,
        company -> Text,
        name -> Text,
        mime -> Text,
        size -> Nullable<BigInt>,
        sha256 -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    arrivals (message, place) {
        message -> Text,
        place -> SmallInt,
        company -> Text,
        channel -> Text,
        media -> Text,
        attempts -> Integer,
        due_at -> Nullable<BigInt>,
        file -> Nullable<Text>,
        code -> Nullable<Text>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    applications (id) {
        id -> Text,
        company -> Text,
        number -> BigInt,
        state -> Text,
        form -> Text,
        reason -> Nullable<Text>,
        steps -> Text,
        seen -> Bool,
        created_at -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    companies,
    users,
    tokens,
    lines,
    lanes,
    channels,
    errands,
    claims,
    accepted_keys,
    owners,
    shards,
    listenings,
    contacts,
    dialogs,
    messages,
    early_receipts,
    hooks,
    portals,
    portal_tokens,
    answers,
    answer_entries,
    mailings,
    recipients,
    linkings,
    channel_links,
    chat_names,
    phone_checks,
    healths,
    company_events,
    notices,
    notes,
    first_contacts,
    first_gates,
    files,
    arrivals,
    templates,
    visits,
    group_acts,
    message_changes,
    standings,
    chat_subjects,
    applications,
    portal_pages
);

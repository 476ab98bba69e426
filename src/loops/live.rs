//! Tells pages what changed: gathered for a moment, in this process at once, in others through PostgreSQL.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::live::{Dirty, Live, Topics};
use crate::model::id::{CompanyId, LaneId};
use crate::model::moment::Tick;
use crate::store::{Options, Result, notice};

/// Words of one company are at least so many milliseconds apart.
const GATHER_MS: i64 = 300;

/// So many lanes are remembered with their companies.
const MOST_LANES: usize = 100_000;

/// Between two looks at the connection to PostgreSQL.
const LOOK: Duration = Duration::from_millis(50);

/// After a lost connection.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells until it is told to stop.
pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut owners = HashMap::new();
    let mut next = app.clock.tick();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = app.live.rung() => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = wait(&app, next) => {}
        }
        next = app.clock.tick().plus_ms(GATHER_MS);
        if let Err(error) = tell(&app, app.live.take(), &mut owners).await {
            tracing::warn!(%error, "pages were not told what changed; they ask by themselves later");
        }
    }
}

async fn wait(app: &App, until: Tick) {
    if app.clock.tick() < until {
        app.clock.sleep_until(until).await;
    }
}

async fn tell(app: &App, dirty: Dirty, owners: &mut HashMap<LaneId, CompanyId>) -> Result<()> {
    let mut changed = dirty.companies;
    let unknown: Vec<LaneId> = dirty.lanes.keys().filter(|lane| !owners.contains_key(lane)).copied().collect();
    if !unknown.is_empty() {
        if owners.len() > MOST_LANES {
            owners.clear();
        }
        let found = app.store.read(move |conn| crate::on!(conn, lane::companies(&unknown))).await?;
        owners.extend(found.into_iter().filter_map(|(lane, company)| Some((lane, company.parse().ok()?))));
    }
    for (lane, topics) in dirty.lanes {
        if let Some(company) = owners.get(&lane) {
            let known: &mut Topics = changed.entry(*company).or_default();
            *known = known.with(topics);
        }
    }
    for (company, topics) in &changed {
        app.live.tell(*company, *topics);
    }
    if app.store.is_shared() && !changed.is_empty() {
        let words: Vec<(CompanyId, u8)> = changed.into_iter().map(|(company, topics)| (company, topics.0)).collect();
        let live = Arc::clone(&app.live);
        app.store.write(move |conn| notice::live(conn, live.name(), &words)).await?;
    }
    Ok(())
}

/// Starts a thread that hears what other processes tell, until the server stops. On SQLite there is nobody to hear.
pub fn hear(options: Options, live: Arc<Live>) {
    if !options.is_postgres() {
        return;
    }
    std::thread::spawn(move || {
        while !live.is_closed() {
            if let Err(error) = hear_until_broken(&options, &live) {
                tracing::warn!(%error, "changes told by other processes are not heard; connecting again");
                std::thread::sleep(PAUSE);
            }
        }
    });
}

fn hear_until_broken(options: &Options, live: &Live) -> Result<()> {
    let mut conn = crate::store::connect(options)?;
    notice::listen_live(&mut conn)?;
    // what was said before is not heard any more
    live.tell_all();
    while !live.is_closed() {
        for (name, company, topics) in notice::heard_live(&mut conn)? {
            // what this process said itself was told here at once
            if name != live.name() {
                live.tell(company, Topics(topics));
            }
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

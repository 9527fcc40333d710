//! `sundown plan`: the plan of the stop, before there is anything to stop.

use std::fs;
use std::io::stdout;
use std::sync::Arc;

use sundown::timeline::{seconds, terminal_columns};
use sundown::{BoxError, Coordinator, Exit, Phase, Priority, Waiter};
use sundown_tasks::TaskService;

use crate::args::PlanForm;
use crate::config::{Loaded, Value as _};
use crate::serve;

/// Prints the plan that a service with this configuration would run.
pub(crate) fn show(loaded: &Loaded, form: &PlanForm) -> Result<Exit, BoxError> {
    let preview = outline(loaded)?.preview()?;
    if let Some(path) = &form.svg {
        fs::write(path, preview.timeline().to_svg())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    let missing: Vec<String> = loaded.missing_programs().collect();
    if form.json {
        for what in missing {
            eprintln!("warning: {what}");
        }
        return crate::print(&format!("{}\n", serde_json::to_string_pretty(&preview)?));
    }
    let pod = &loaded.config.pod;
    let kubernetes = pod.sum(preview.cap).map_or_else(
        || {
            let least = seconds(preview.cap + pod.margin.0);
            format!("terminationGracePeriodSeconds of at least {least} plus its preStop hook.")
        },
        |sum| sum.to_string(),
    );
    let preview = match terminal_columns(&stdout()) {
        Some(columns) => format!("{preview:columns$}"),
        None => preview.to_string(),
    };
    let store = loaded.store().map_or_else(|error| error, |store| store.show());
    let warnings: String = missing.iter().map(|what| format!("Warning: {what}\n")).collect();
    crate::print(&format!("{preview}\n\nKubernetes: {kubernetes}\nStore: {store}\n{warnings}"))
}

/// A coordinator with everybody who takes part in the shutdown of the service, each under the name
/// and in the place that its layer gives it. A test holds it against the service that runs.
fn outline(loaded: &Loaded) -> Result<Arc<Coordinator>, BoxError> {
    let coordinator = serve::builder(loaded).build()?;
    let waiter = |name: &'static str| Waiter::new(name, |_| async { Ok::<_, BoxError>(()) });
    coordinator.register_waiter(waiter(serve::WEB))?;
    for (name, phase, least) in TaskService::outline(serve::TASKS) {
        let part = Waiter::new(name, |_| async { Ok::<_, BoxError>(()) });
        let part = if phase == Phase::RELEASE {
            part.as_hook(Priority::Normal)
        } else {
            part.in_phase(phase)
        };
        coordinator.register_waiter(part.least(least))?;
    }
    // The last one registers itself when the turn comes to the metrics, so that it comes last.
    for name in [serve::METRICS, serve::TEMP_FILES, serve::ADMIN, serve::LAST_METRICS] {
        coordinator.register_waiter(waiter(name).as_hook(Priority::Cleanup))?;
    }
    // The layers' own: the updater of the metrics, the sweeper of the temporary files.
    coordinator.spawn("background", async {});
    Ok(coordinator)
}

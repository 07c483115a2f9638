//! One instance's view of the shared files: operations take time, fail, take effect without saying so or much later, and the process may die at
//! any of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use tidegauge_sink::log::paths;
use tidegauge_sink::store::{Creation, Listed, Move, Pending, Store, StoreError};

use super::world::World;

/// The files as one process sees them.
pub(super) struct Disturbed {
    world: Arc<World>,
    process: u64,
}

impl fmt::Debug for Disturbed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Disturbed({})", self.process)
    }
}

/// What becomes of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    /// It has no effect, and fails.
    Refused,
    /// It has its effect, and fails.
    AnswerLost,
    /// It fails, and has its effect some time later.
    Late,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
}

impl Disturbed {
    pub(super) fn new(world: &Arc<World>, process: u64) -> Disturbed {
        let world = Arc::clone(world);
        Disturbed { world, process }
    }

    fn fate(&self) -> Fate {
        if !self.world.is_disturbed() {
            return Fate::Fine;
        }
        let (what, fate) = match self.world.random.lock().unwrap().between(0, 999) {
            0..8 => ("refusals", Fate::Refused),
            8..16 => ("lost answers", Fate::AnswerLost),
            16..22 => ("late effects", Fate::Late),
            22..24 => ("deaths before an effect", Fate::DiesBefore),
            24..26 => ("deaths after an effect", Fate::DiesAfter),
            _ => return Fate::Fine,
        };
        self.world.see(what, 1);
        fate
    }

    /// Time passes: usually little, sometimes so much that everybody takes the process for dead.
    async fn wait(&self) {
        if self.world.is_dead(self.process) {
            std::future::pending::<()>().await;
        }
        if !self.world.is_disturbed() {
            return;
        }
        let pause = {
            let mut random = self.world.random.lock().unwrap();
            match random.between(0, 999) {
                0..3 => {
                    self.world.see("stalls", 1);
                    Duration::from_secs(random.between(40, 1_800))
                }
                3..60 => Duration::from_millis(random.between(100, 20_000)),
                _ => Duration::from_millis(random.between(0, 40)),
            }
        };
        tokio::time::sleep(pause).await;
        if self.world.is_dead(self.process) {
            std::future::pending::<()>().await;
        }
    }

    async fn die(&self) -> ! {
        self.world.die(self.process);
        loop {
            std::future::pending::<()>().await;
        }
    }

    /// One operation. `effect` may be carried out more than once, as a store's client does that tries again by itself.
    async fn operation<T, F>(&self, what: String, effect: impl Fn(Arc<World>) -> F + Send + 'static) -> Result<T, StoreError>
    where
        T: Send,
        F: Future<Output = Result<T, StoreError>> + Send,
    {
        self.wait().await;
        self.world.files.set_clock(self.world.now());
        let fate = self.fate();
        self.world.trace(|| format!("process {}: {what}: {fate:?}", self.process));
        let failed = Err(StoreError::Retry {
            doing: "an operation".to_owned(),
            why: "injected".to_owned(),
        });
        match fate {
            Fate::Fine => {
                let done = effect(Arc::clone(&self.world)).await;
                self.wait().await;
                done
            }
            Fate::Refused => failed,
            Fate::AnswerLost => {
                let _ = effect(Arc::clone(&self.world)).await;
                self.wait().await;
                failed
            }
            Fate::Late => {
                let world = Arc::clone(&self.world);
                let after = Duration::from_secs(world.random.lock().unwrap().between(1, 900));
                tokio::spawn(async move {
                    tokio::time::sleep(after).await;
                    // Whatever is under way when everything comes to rest is lost.
                    if world.is_disturbed() {
                        let _ = effect(Arc::clone(&world)).await;
                    }
                });
                failed
            }
            Fate::DiesBefore => self.die().await,
            Fate::DiesAfter => {
                let _ = effect(Arc::clone(&self.world)).await;
                self.die().await
            }
        }
    }
}

impl Store for Disturbed {
    fn location(&self) -> &'static str {
        "simulated"
    }

    fn probe(&self) -> Pending<'_, ()> {
        async {
            self.operation("probe".to_owned(), |world| async move { world.files.probe().await })
                .await
        }
        .boxed()
    }

    fn stage(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        let path = path.to_owned();
        async move {
            if self.world.is_disturbed() && self.world.random.lock().unwrap().between(0, 999) < 2 {
                // A process that dies while it writes leaves half a file.
                self.world.see("torn files", 1);
                let _ = self.world.files.stage(&path, bytes.slice(..bytes.len() / 2)).await;
                self.die().await;
            }
            let what = format!("stage {path}");
            let effect = move |world: Arc<World>| {
                let (path, bytes) = (path.clone(), bytes.clone());
                async move { world.files.stage(&path, bytes).await }
            };
            self.operation(what, effect).await
        }
        .boxed()
    }

    fn replace(&self, path: &str, bytes: Bytes) -> Pending<'_, ()> {
        self.stage(path, bytes)
    }

    fn publish(&self, moves: &[Move]) -> Pending<'_, ()> {
        let moves = moves.to_vec();
        async move {
            for one in moves {
                let what = format!("move {} to {}", one.staged, one.path);
                let effect = move |world: Arc<World>| {
                    let one = one.clone();
                    async move { world.files.publish(&[one]).await }
                };
                self.operation(what, effect).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn create_if_absent(&self, path: &str, bytes: Bytes) -> Pending<'_, Creation> {
        let path = path.to_owned();
        async move {
            let what = format!("create {path}");
            let effect = move |world: Arc<World>| {
                let (path, bytes) = (path.clone(), bytes.clone());
                async move {
                    let creation = world.files.create_if_absent(&path, bytes.clone()).await?;
                    if creation == Creation::Created && path.starts_with(paths::LOG) {
                        world.entries.lock().unwrap().push(bytes.to_vec());
                    }
                    Ok(creation)
                }
            };
            let creation = self.operation(what, effect).await?;
            // A client that tried again by itself is told that its own file exists.
            let confused = self.world.is_disturbed() && creation == Creation::Created && self.world.random.lock().unwrap().chance(2);
            if confused {
                self.world.see("own success told as exists", 1);
                return Ok(Creation::Exists);
            }
            Ok(creation)
        }
        .boxed()
    }

    fn get(&self, path: &str, max_bytes: u64) -> Pending<'_, Bytes> {
        let path = path.to_owned();
        async move {
            let what = format!("get {path}");
            let effect = move |world: Arc<World>| {
                let path = path.clone();
                async move { world.files.get(&path, max_bytes).await }
            };
            self.operation(what, effect).await
        }
        .boxed()
    }

    fn list(&self, directory: &str) -> Pending<'_, Vec<Listed>> {
        let directory = directory.to_owned();
        async move {
            let what = format!("list {directory}");
            let effect = move |world: Arc<World>| {
                let directory = directory.clone();
                async move { world.files.list(&directory).await }
            };
            self.operation(what, effect).await
        }
        .boxed()
    }

    fn delete(&self, path: &str) -> Pending<'_, ()> {
        let path = path.to_owned();
        async move {
            let what = format!("delete {path}");
            let effect = move |world: Arc<World>| {
                let path = path.clone();
                async move { world.files.delete(&path).await }
            };
            self.operation(what, effect).await
        }
        .boxed()
    }

    fn sync(&self, directory: &str) -> Pending<'_, ()> {
        let directory = directory.to_owned();
        async move {
            let what = format!("sync {directory}");
            let effect = move |world: Arc<World>| {
                let directory = directory.clone();
                async move { world.files.sync(&directory).await }
            };
            self.operation(what, effect).await
        }
        .boxed()
    }
}

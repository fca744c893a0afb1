//! What each instance's store holds. Host functions of an application reach their own per-instance values through
//! [`State::get`] and [`State::get_mut`], which a capability put there when the instance was prepared.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugwork_core::events::Chain;
use plugwork_core::{Fault, Limits, Subject};
use wasmtime::component::ResourceTable;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

use crate::account::Account;
use crate::cause::Cause;
use crate::guards::Asked;
use crate::interfaces::filesystem::{Files, Folder, Opened};
use crate::interfaces::http::client_wait::ClientWait;
use crate::interfaces::http::incoming::Answering;
use crate::interfaces::http::types::{FIELDS_BYTES_MAX, held_bytes};
use crate::interfaces::http::{Hooks, HttpClient};
use crate::interfaces::random::Drawing;
use crate::interfaces::wasi::inert_context;
use crate::ledger::{Ledger, Spend};
use crate::log::Log;
use crate::room::Clock;
use crate::usage::HostInterface;
use crate::wiring::{Chained, From};

/// One instance's data.
pub struct State {
    pub(crate) subject: Arc<Subject>,
    pub(crate) log: Arc<Log>,
    pub(crate) ledger: Ledger,
    pub(crate) table: ResourceTable,
    /// What sends its requests, where it was granted that.
    pub(crate) client: Option<Arc<dyn HttpClient>>,
    pub(crate) answering: Answering,
    /// Whether the log knows what the running call is made for.
    pub(crate) is_caused: bool,
    /// How long the client of the running call's request kept it waiting.
    pub(crate) client_wait: Option<ClientWait>,
    /// The clock of the room that it is, while several calls may be in it.
    pub(crate) room: Option<Arc<Clock>>,
    folder: Option<Arc<Folder>>,
    /// Made when it is needed, which for most plugins is never: a store is made for each call, and half of it would be this.
    standard: Option<Box<Standard>>,
    pub(crate) config: Option<Arc<plugwork_core::policy::config::ConfigBounds>>,
    /// The tick at which the running call ends.
    pub(crate) deadline_tick: u64,
    /// When it began.
    pub(crate) began: Instant,
    /// How long it waited for a guest thread before that.
    pub(crate) queued: Duration,
    /// How long it was made to wait for its plugin's share of the processor.
    pub(crate) waited: Duration,
    /// Host calls of this instance before the running call.
    pub(crate) host_calls_before: u64,
    /// Message and stack of a guest that is about to trap in the running call.
    pub(crate) last_words: Option<(String, String)>,
    /// Whom it calls and who called it; none where it is alone.
    pub(crate) chained: Option<Box<Chained>>,
    /// The chain of the events that it handles now, or that those who called it do.
    pub(crate) answering_events: Option<Chain>,
    /// That of those that it was told of last.
    pub(crate) answered_events: Option<Chain>,
    /// For whom it is called, as guards of those whom it calls are told.
    pub(crate) asked: Asked,
    /// What its caller's call is made for: the next one of its own is too.
    called_for: Option<Arc<Cause>>,
    /// The tick at which its caller's call ends, whatever its own limit says.
    pub(crate) until_tick: u64,
    slots: Vec<(TypeId, Box<dyn Any + Send>)>,
}

/// What the interfaces of WASI work on.
struct Standard {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    hooks: Hooks,
    opened: Opened,
    /// Has nothing and takes nothing: what a call works on that the account has no room for.
    closed: ResourceTable,
}

impl State {
    pub(crate) fn new(
        subject: Arc<Subject>,
        log: Arc<Log>,
        limits: Limits,
        account: Arc<Account>,
        wasi: Option<WasiCtx>,
        prepared: Prepared,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles as usize);
        let mut state = Self {
            answering: Answering::default(),
            client_wait: None,
            is_caused: false,
            room: None,
            subject,
            log,
            ledger: Ledger::new(limits, account),
            table,
            client: prepared.http,
            folder: prepared.folder,
            standard: None,
            config: prepared.config,
            deadline_tick: 0,
            began: Instant::now(),
            queued: Duration::ZERO,
            waited: Duration::ZERO,
            host_calls_before: 0,
            last_words: None,
            chained: None,
            answering_events: None,
            answered_events: None,
            asked: None,
            called_for: None,
            until_tick: u64::MAX,
            slots: prepared.slots,
        };
        if let Some(wasi) = wasi {
            state.standard = Some(state.standard_with(wasi));
        }
        state
    }

    fn standard_with(&self, wasi: WasiCtx) -> Box<Standard> {
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(FIELDS_BYTES_MAX);
        let mut closed = ResourceTable::new();
        closed.set_max_capacity(0);
        let hooks = Hooks::new(self.log.clone(), self.ledger.account.clone(), self.client.clone());
        Box::new(Standard { wasi, http, hooks, opened: Opened::new(self.folder.clone()), closed })
    }

    /// What WASI works on, and the rest of this.
    fn standard(&mut self) -> (&mut Standard, &mut ResourceTable, &mut Ledger, &Arc<Log>) {
        if self.standard.is_none() {
            self.standard = Some(self.standard_with(inert_context(&self.log).build()));
        }
        let standard = self.standard.as_mut().expect("made above");
        (standard, &mut self.table, &mut self.ledger, &self.log)
    }

    /// Whose instance this is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What it has used so far.
    pub fn spend(&self) -> Spend {
        Spend { log_records: self.log.records(), ..self.ledger.spend }
    }

    /// A per-instance value of a capability.
    pub fn get<T: Any + Send>(&self) -> Option<&T> {
        self.slots.iter().find(|(id, _)| *id == TypeId::of::<T>()).and_then(|(_, value)| value.downcast_ref())
    }

    /// A per-instance value of a capability, to change.
    pub fn get_mut<T: Any + Send>(&mut self) -> Option<&mut T> {
        self.slots.iter_mut().find(|(id, _)| *id == TypeId::of::<T>()).and_then(|(_, value)| value.downcast_mut())
    }

    /// What all instances of its plugin hold and spend together.
    pub fn account(&self) -> &Arc<Account> {
        &self.ledger.account
    }

    /// Before a call: what an earlier one was refused, said or was made for is not of this one.
    #[inline]
    pub(crate) fn begins_anew(&mut self) {
        self.ledger.forget_refused();
        // Words of an earlier call, which did not trap after all, explain nothing.
        self.last_words = None;
        self.client_wait = None;
        if std::mem::take(&mut self.is_caused) {
            self.log.set_cause(None);
        }
        self.host_calls_before = self.ledger.spend.host_calls;
        if let Some(cause) = self.called_for.take() {
            self.caused_by(cause);
        }
    }

    /// The next call is made by another plugin, for this cause; its own ends at that tick.
    pub(crate) fn is_called(&mut self, from: From) {
        self.answering_events = from.answering;
        self.answered_events = from.answering.or(self.answered_events);
        self.until_tick = from.until_tick;
        self.called_for = from.cause;
        self.asked = from.asked;
    }

    /// The next calls are made by the host, for this one.
    #[inline]
    pub(crate) fn is_for(&mut self, asked: &Asked) {
        self.asked.clone_from(asked);
        self.until_tick = asked.as_ref().map_or(u64::MAX, |asked| asked.until_tick);
        self.answering_events = asked.as_ref().and_then(|asked| asked.answering);
        self.answered_events = self.answering_events.or(self.answered_events);
    }

    /// It says goodbye: for nobody, and with no caller's deadline. What it publishes goes on with the chain that it answered last, or a chain could go on for ever from one
    /// goodbye to the next.
    pub(crate) fn is_ending(&mut self) {
        (self.asked, self.called_for, self.until_tick) = (None, None, u64::MAX);
        self.answering_events = self.answering_events.or(self.answered_events);
    }

    /// Whether it was stopped because its caller's time was over, and not its own.
    pub(crate) fn ends_with_caller(&self, fault: Option<&Fault>, now: u64) -> bool {
        matches!(fault, Some(Fault::Deadline { .. } | Fault::Cpu { .. })) && now >= self.until_tick
    }

    /// Whether the running call has used up its time, by this tick.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        now >= self.deadline_tick
    }

    /// Says what the running call is made for. A point's `call` says it before the guest runs; it is forgotten before the next call.
    pub fn caused_by(&mut self, cause: Arc<Cause>) {
        self.is_caused = true;
        self.log.set_cause(Some(cause));
    }

    /// Counts a call into the host. Host functions of an application call it first.
    pub fn count_host_call(&mut self) {
        self.ledger.count_host_call(HostInterface::Application);
    }

    /// Itself, with a call counted: what the shipped interfaces are linked with.
    #[inline]
    pub(crate) fn counted_as(&mut self, interface: HostInterface) -> &mut Self {
        self.ledger.count_host_call(interface);
        self
    }
}

impl State {
    pub(crate) fn files(&mut self) -> Files<'_> {
        let (standard, table, _, log) = self.standard();
        let inner = WasiFilesystemCtxView { ctx: standard.wasi.filesystem(), table };
        Files { inner, opened: &mut standard.opened, log }
    }

    /// For one call of `wasi:http`, counted and paid for. Where the account has no room the call finds no handle and ends in a trap, and the
    /// ledger knows why.
    pub(crate) fn http_paid(&mut self) -> WasiHttpCtxView<'_> {
        let (standard, table, ledger, _) = self.standard();
        ledger.count_host_call(HostInterface::Http);
        let paid = ledger.hold_messages(held_bytes(table));
        let table = if paid { table } else { &mut standard.closed };
        WasiHttpCtxView { ctx: &mut standard.http, table, hooks: &mut standard.hooks }
    }

    pub(crate) fn random(&mut self) -> Drawing<'_> {
        let (standard, _, ledger, _) = self.standard();
        Drawing { inner: standard.wasi.random(), account: &ledger.account }
    }
}

/// What the capabilities prepared for one instance.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) http: Option<Arc<dyn HttpClient>>,
    pub(crate) config: Option<Arc<plugwork_core::policy::config::ConfigBounds>>,
    pub(crate) folder: Option<Arc<Folder>>,
    pub(crate) slots: Vec<(TypeId, Box<dyn Any + Send>)>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (standard, table, ..) = self.standard();
        WasiCtxView { ctx: &mut standard.wasi, table }
    }
}

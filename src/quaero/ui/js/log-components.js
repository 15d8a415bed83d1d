// The Alpine components `jobLogs` and `serviceLogs`, for pages that use Alpine (its CSP build too).
//
//     <script src="/static/js/log-stream.js"></script>
//     <script src="/static/js/log-components.js"></script>   (before Alpine)
//     <div class="quaero-log" x-data="jobLogs" data-job-id="42" data-level="info"> … </div>
//
// What a component offers its markup: `logs` (the newest lines, each with number, time, level, text, key), `state`,
// `stateText`, `summary`, `level`, `follow`, and `setLevel`, `toggleFollow`, `reconnect`, `clear`. It keeps KEPT lines;
// how many it let go of, and whether any were lost, stands in `summary`. Every value is text: bind it with `x-text`.

(() => {
  "use strict";

  const KEPT = 2_000;
  const STATES = {
    idle: "not connected", connecting: "connecting …", live: "live", waiting: "connection lost, coming back …",
    polling: "live, by asking", ended: "ended",
  };
  const WHY = { retention: "are gone: their time was up", skipped_by_request: "before were not asked for" };
  const CONTROLS = /[\u001b\u009b][[\]()#;?]*(?:\d{1,4}(?:;\d{0,4})*)?[\dA-PR-TZcf-nq-uy=><~]|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
  const count = new Intl.NumberFormat("en-US");

  const shown = (line) => ({
    key: `${line.seq}`,
    number: `${line.line_number}`,
    time: line.timestamp.slice(11, 23),
    level: line.level,
    step: line.step ?? "",
    text: line.message.replace(CONTROLS, ""),
    gap: false,
  });

  const hole = ({ from, to, why }) => ({
    key: `gap-${from}-${to}`, number: "", time: "", level: "warn", step: "", gap: true,
    text: why === "reset" ? "— the store was replaced: reading begins anew —" : `— ${count.format(to - from + 1)} entries ${WHY[why] ?? why} —`,
  });

  function component(make) {
    return () => ({
      logs: [],
      state: "idle",
      stateText: STATES.idle,
      summary: "",
      level: "info",
      status: null,
      progress: "",
      follow: true,
      dropped: 0,
      stream: null,

      init() {
        const { level, step, children, limit } = this.$el.dataset;
        this.level = level ?? "info";
        const options = { step, children, limit, level: this.level };
        options.onLogs = (lines) => this.add(lines.map(shown));
        options.onGap = (gap) => {
          if (gap.why === "reset") this.logs = [];
          this.add([hole(gap)]);
        };
        options.onStatus = (told) => this.tellStatus(told);
        options.onEnd = options.onConnect = options.onDisconnect = options.onError = () => this.tell();
        // out of Alpine's reach: a proxy round a stream could not see its private state
        this.stream = Object.freeze({ run: (name, given) => held[name](given), state: () => held.getState() });
        const held = make(this.$el.dataset, options);
        held.connect();
        this.tell();
      },

      destroy() {
        this.stream?.run("disconnect");
      },

      add(lines) {
        const all = this.logs.concat(lines);
        const over = Math.max(0, all.length - KEPT);
        this.dropped += over;
        this.logs = over ? all.slice(over) : all;
        this.tell();
        if (this.follow) this.$nextTick(() => this.scrollDown());
      },

      tell() {
        const { state, ledger } = this.stream.state();
        this.state = state;
        this.stateText = STATES[state];
        const parts = [`${count.format(ledger.received)} lines received`, `${count.format(ledger.missing)} missing`];
        if (this.dropped) parts.push(`the newest ${count.format(this.logs.length)} shown`);
        this.summary = parts.join(", ");
      },

      tellStatus(told) {
        this.status = told.job?.status ?? null;
        this.progress = told.job?.progress_text ?? "";
        this.tell();
      },

      scrollDown() {
        const list = this.$el.querySelector("[data-lines]") ?? this.$root?.querySelector("[data-lines]");
        if (list) list.scrollTop = list.scrollHeight;
      },

      setLevel(event) {
        this.level = event?.target?.value ?? event;
        this.logs = [];
        this.dropped = 0;
        this.stream.run("reconnect", { level: this.level });
        this.tell();
      },

      toggleFollow() {
        this.follow = !this.follow;
        if (this.follow) this.scrollDown();
      },

      reconnect() {
        this.stream.run("reconnect");
        this.tell();
      },

      clear() {
        this.logs = [];
        this.dropped = 0;
        this.stream.run("clear");
        this.tell();
      },
    });
  }

  function register() {
    const { Alpine, QuaeroLogs } = globalThis;
    Alpine.data("jobLogs", component((given, options) => QuaeroLogs.streamJob(given.jobId, options)));
    Alpine.data("serviceLogs", component((given, options) => QuaeroLogs.streamService(options)));
  }

  if (globalThis.Alpine?.version) register();
  else document.addEventListener("alpine:init", register);
})();

/**
 * What is told of a recording on its way. Pure.
 */

export function isGoing({ state }) {
  return ["sending", "waiting", "running"].includes(state);
}

/** A text, and what share of the work is done: null where nobody knows. */
export function progress(job) {
  switch (job.state) {
    case "sending":
      return { text: `Sending, ${Math.floor(100 * job.share)} %`, share: job.share };
    case "waiting":
      return { text: waiting(job.ahead), share: null };
    case "running":
      return running(job);
    case "failed":
      return { text: `Failed: ${job.message}`, share: 1 };
    default:
      return { text: ["Done", ...job.warnings].join(". "), share: 1 };
  }
}

/** Hours, minutes and seconds; with hours only where there are any. */
export function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  const hours = Math.floor(seconds / 3600);
  return [...(hours ? [hours] : []), ...parts]
    .map((part, index) => (index === 0 ? `${part}` : `${part}`.padStart(2, "0")))
    .join(":");
}

function waiting(ahead) {
  if (ahead === 0) return "Making ready to listen";
  return `Waiting for ${ahead} other recording${ahead === 1 ? "" : "s"}`;
}

function running({ heard_ms, duration_ms }) {
  if (duration_ms && heard_ms + 1000 < duration_ms) {
    return {
      text: `Listening, ${clock(heard_ms)} of ${clock(duration_ms)}`,
      share: heard_ms / duration_ms,
    };
  }
  return { text: heard_ms ? "Putting the last part into words" : "Listening", share: null };
}

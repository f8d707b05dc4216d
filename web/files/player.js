/**
 * A recording of this computer, with its subtitles over the picture.
 */

export class Player {
  #video;
  #track;

  /** `onTime` hears where it is, in ms. */
  constructor(video, { onTime }) {
    this.#video = video;
    this.#track = video.addTextTrack("subtitles", "Subtitles");
    this.#track.mode = "showing";
    video.addEventListener("timeupdate", () => onTime(1000 * video.currentTime));
  }

  /** Take a file, or give the last one back: null. */
  load(file) {
    const video = this.#video;
    URL.revokeObjectURL(video.src);
    video.hidden = file === null;
    if (file === null) video.removeAttribute("src");
    else video.src = URL.createObjectURL(file);
    video.load();
  }

  /** Show cues in place of those that were shown. */
  show(cues) {
    for (const cue of [...(this.#track.cues ?? [])]) this.#track.removeCue(cue);
    for (const { start_ms, end_ms, lines } of cues) {
      const cue = new VTTCue(start_ms / 1000, end_ms / 1000, escaped(lines.join("\n")));
      this.#track.addCue(cue);
    }
  }

  playFrom(time_ms) {
    if (this.#video.hidden) return;
    this.#video.currentTime = time_ms / 1000;
    this.#video.play();
  }
}

/** A text without WebVTT's markup. */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

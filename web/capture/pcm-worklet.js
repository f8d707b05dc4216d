/**
 * Sound to 16-bit mono samples, in messages of about 100 ms: {pcm: Int16Array, peak: 0..1}.
 */

const MESSAGE_S = 0.1;

class PcmWorklet extends AudioWorkletProcessor {
  #pcm = new Int16Array(Math.round(MESSAGE_S * sampleRate));
  #filled = 0;
  #peak = 0;

  process([channels]) {
    if (channels.length === 0) return true; // nothing is connected at the moment
    for (let i = 0; i < channels[0].length; i++) {
      const sample = channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length;
      const clipped = Math.max(-1, Math.min(1, sample));
      this.#peak = Math.max(this.#peak, Math.abs(clipped));
      this.#pcm[this.#filled++] = Math.round(32767 * clipped);
      if (this.#filled === this.#pcm.length) this.#post();
    }
    return true;
  }

  #post() {
    const pcm = this.#pcm;
    this.port.postMessage({ pcm, peak: this.#peak }, [pcm.buffer]);
    this.#pcm = new Int16Array(Math.round(MESSAGE_S * sampleRate));
    this.#filled = 0;
    this.#peak = 0;
  }
}

registerProcessor("pcm", PcmWorklet);

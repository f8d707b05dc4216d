/**
 * Sound of a microphone or of a browser tab as 16-bit samples.
 */

/** What went wrong, in words for the page. */
export class SoundError extends Error {}

const MICROPHONE_HELP = {
  NotAllowedError:
    "The browser does not let this page use the microphone. " +
    "Allow it beside the page's address, then start again.",
  NotFoundError: "There is no microphone. Plug one in, then start again.",
  NotReadableError: "The microphone cannot be used. Does another program hold it?",
  OverconstrainedError: "The chosen microphone is gone. Choose another one.",
};

/**
 * Listen until `close` of what is returned; `sampleRate` is that of the samples, `track` what they
 * are made of.
 *
 * `onSamples` hears an Int16Array and its peak (0..1) ten times a second; `onEnd` that the device
 * was unplugged, or the sharing ended. Raises SoundError.
 */
export async function openSound({ kind, deviceId, onSamples, onEnd }) {
  const stream = kind === "tab" ? await shareTab() : await useMicrophone(deviceId);
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL("pcm-worklet.js", import.meta.url));
  await context.resume();
  const worklet = new AudioWorkletNode(context, "pcm", { numberOfOutputs: 0 });
  worklet.port.onmessage = ({ data }) => onSamples(data.pcm, data.peak);
  const input = context.createMediaStreamSource(stream);
  input.connect(worklet);
  stream.getAudioTracks()[0].onended = onEnd;
  return {
    sampleRate: context.sampleRate,
    track: stream.getAudioTracks()[0],
    close: () => {
      worklet.port.onmessage = null;
      stream.getTracks().forEach((track) => track.stop());
      return context.close();
    },
  };
}

/** The microphones by id and name; names are known once the page may use one. */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "");
}

async function useMicrophone(deviceId) {
  requireDevices();
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: {
        deviceId: deviceId ? { exact: deviceId } : undefined,
        echoCancellation: true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
  } catch (error) {
    throw new SoundError(MICROPHONE_HELP[error.name] ?? `The microphone fails: ${error.message}`);
  }
}

async function shareTab() {
  requireDevices();
  if (!navigator.mediaDevices.getDisplayMedia) {
    throw new SoundError(
      "This browser cannot share a tab's sound. Chrome and Edge on a computer can.",
    );
  }
  const stream = await chooseTab();
  if (stream.getAudioTracks().length === 0) {
    stream.getTracks().forEach((track) => track.stop());
    throw new SoundError(
      "The tab was shared without its sound. Start again, and switch on “Also share tab audio”.",
    );
  }
  return stream;
}

async function chooseTab() {
  try {
    return await navigator.mediaDevices.getDisplayMedia({
      video: true, // browsers share no sound alone
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch (error) {
    throw new SoundError(
      error.name === "NotAllowedError"
        ? "No tab was shared. Start again, and choose a tab."
        : `The tab cannot be shared: ${error.message}`,
    );
  }
}

function requireDevices() {
  if (navigator.mediaDevices) return;
  throw new SoundError(
    "Browsers give sound only to pages that came by https:// or from this computer itself " +
      "(http://localhost). Open this page that way.",
  );
}

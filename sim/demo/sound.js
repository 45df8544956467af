// The pad's buzzer, heard through the browser; what it plays never depends on the key.
const LOUDNESS = 0.05;

let context = null;
let tone = null;
let gain = null;
let wanted = true;

// Browsers give sound only after a gesture, so this is called from each of them.
export function allowSound() {
  if (context) {
    if (context.state === "suspended") context.resume();
    return;
  }
  context = new AudioContext();
  tone = new OscillatorNode(context, { type: "triangle" });
  gain = new GainNode(context, { gain: 0 });
  tone.connect(gain).connect(context.destination);
  tone.start();
}

export function mute(muted) {
  wanted = !muted;
  if (muted) buzz(0);
}

// hz: the tone to play now, 0 is silence; volume: per cent, of which the ear feels the square root.
export function buzz(hz, volume = 100) {
  if (!gain) return;
  if (hz) tone.frequency.setValueAtTime(hz, context.currentTime);
  gain.gain.setTargetAtTime(hz && wanted ? LOUDNESS * (volume / 100) ** 2 : 0, context.currentTime, 0.004);
}

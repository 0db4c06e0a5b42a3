// The sound of an alarm: two notes down for red, one for amber. Browsers let a page ring only after a click in it.

const NOTES = {true: [880, 660], false: [660]}; // Hz; true: red
const NOTE_S = .22;
const LOUD = .25;
let context = null;
let wanted = () => false;

/** `isWanted` says whether this person allowed sound: only then is the loudspeaker asked for. */
export function start(isWanted) {
  wanted = isWanted;
  for (const event of ["pointerdown", "keydown"]) addEventListener(event, unlock, {capture: true, passive: true});
  unlock();
}

/** Whether a sound would be heard now, as far as a page can know. */
export const ready = () => context?.state === "running";

/** Within a click, or the browser may refuse. Resolves when it is decided. */
export async function unlock() {
  if (!wanted() || ready()) return;
  context ??= new AudioContext();
  await Promise.race([context.resume(), new Promise((done) => { setTimeout(done, 500); })]); // refused, it only waits
}

/** Says whether it rang. */
export async function play(red) {
  await unlock();
  if (!ready()) return false;
  NOTES[red].forEach((pitch, index) => note(pitch, context.currentTime + index * NOTE_S));
  return true;
}

// Without a soft edge a note clicks.
function note(pitch, at) {
  const [tone, volume] = [context.createOscillator(), context.createGain()];
  tone.frequency.value = pitch;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(LOUD, at + .02);
  volume.gain.linearRampToValueAtTime(0, at + NOTE_S);
  tone.connect(volume).connect(context.destination);
  tone.start(at);
  tone.stop(at + NOTE_S);
}

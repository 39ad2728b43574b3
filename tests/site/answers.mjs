/* What the page's scripts answer, without a page: {scripts, data, states, wanted} on standard input, where data is the
   explorer's or its key in what a script has brought; for each state the caption, or the reason why it cannot be, and
   what `compute` gives under the names in `wanted`. */
import fs from "node:fs";
import vm from "node:vm";

const asked = JSON.parse(fs.readFileSync(0, "utf8"));
for (const script of asked.scripts) vm.runInThisContext(fs.readFileSync(script, "utf8"), { filename: script });
const live = globalThis.segkitLive,
  given = typeof asked.data === "string" ? live.data[asked.data] : asked.data;
const data = await live.unpacked(given),
  kind = live.kinds[data.kind];
const plain = (value) => {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)]));
};
const answers = asked.states.map((moves) => {
  const hand = live.run(kind, data);
  hand.set(moves);
  const state = hand.state();
  try {
    const results = kind.compute(state, data);
    const found = Object.fromEntries(asked.wanted.map((name) => [name, plain(results[name])]));
    return { state, caption: kind.say(results, state, data, null), ...found };
  } catch (error) {
    if (!(error instanceof live.Refused)) throw error;
    return { state, refused: error.message };
  }
});
process.stdout.write(JSON.stringify(answers));

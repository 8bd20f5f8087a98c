// Looks at pages of `--html` in a real browser: node scripts/pages.mjs FOLDER PAGE...
//
// Each page is served over HTTP, at 1280 and 390 pixels, light and dark. It must render, write nothing to the console, ask for nothing but
// itself, not be wider than the screen, and pass axe-core (WCAG 2.1 A and AA, best practices). Screenshots go to FOLDER.
//
// Needs chromium and chromedriver on the PATH, and axe-core: REDIS_OPS_AXE=…/node_modules/axe-core/axe.min.js
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { basename, join } from "node:path";

const [folder, ...pages] = process.argv.slice(2);
const axe = readFileSync(process.env.REDIS_OPS_AXE, "utf8");
mkdirSync(folder, { recursive: true });

const asked = [];
const server = createServer((request, response) => {
  asked.push(request.url);
  const page = pages[Number(request.url.slice(1))];
  response.writeHead(page ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
  response.end(page ? readFileSync(page) : "");
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const origin = `http://127.0.0.1:${server.address().port}`;

const driver = spawn("chromedriver", ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
const port = await new Promise((done, failed) => {
  let text = "";
  driver.stdout.on("data", (more) => {
    text += more;
    const found = text.match(/started successfully on port (\d+)/);
    if (found) done(found[1]);
  });
  driver.on("exit", () => failed(new Error(`chromedriver ended: ${text}`)));
});

async function call(method, path, body) {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, body: body && JSON.stringify(body) });
  const { value } = await answer.json();
  if (value?.error) throw new Error(`${path}: ${value.message}`);
  return value;
}

const faults = [];
try {
  const args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--disable-gpu"];
  const { sessionId } = await call("POST", "/session", {
    capabilities: {
      alwaysMatch: {
        browserName: "chrome",
        "goog:chromeOptions": { args },
        "goog:loggingPrefs": { browser: "ALL", performance: "ALL" },
      },
    },
  });
  const session = `/session/${sessionId}`;
  const cdp = (cmd, params) => call("POST", `${session}/goog/cdp/execute`, { cmd, params });
  const run = (script, args = []) => call("POST", `${session}/execute/sync`, { script, args });
  const log = async (type) => call("POST", `${session}/se/log`, { type });
  for (const [at, page] of pages.entries()) {
    for (const width of [1280, 390]) {
      for (const scheme of ["light", "dark"]) {
        const name = `${basename(page, ".html")}-${width}-${scheme}`;
        const fault = (words) => faults.push(`${name}: ${words}`);
        await cdp("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: width < 600 });
        await cdp("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
        await log("performance");
        asked.length = 0;
        await call("POST", `${session}/url`, { url: `${origin}/${at}` });
        if (!(await run("return document.querySelector('h1')?.textContent"))) fault("no heading is rendered");
        if (await run("return document.scripts.length")) fault("there is a script element");
        const wide = await run("return document.documentElement.scrollWidth");
        if (wide > width) fault(`the page is ${wide} pixels wide`);
        const events = (await log("performance")).map((entry) => JSON.parse(entry.message).message);
        for (const event of events.filter((event) => event.method === "Network.requestWillBeSent")) {
          const url = event.params.request.url;
          if (url !== `${origin}/${at}` && !url.startsWith("data:")) fault(`asks for ${url}`);
        }
        if (asked.join() !== `/${at}`) fault(`the server was asked for ${asked.join(", ")}`);
        for (const entry of await log("browser")) fault(`console: ${entry.message}`);
        await run(axe);
        const script = `const done = arguments[0];
          axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] })
            .then((found) => done(found.violations), (error) => done([{ id: String(error), nodes: [] }]));`;
        for (const found of await call("POST", `${session}/execute/async`, { script, args: [] })) {
          fault(`axe: ${found.id}: ${found.help}: ${found.nodes.slice(0, 3).map((node) => node.html).join(" ")}`);
        }
        const shot = await cdp("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
        writeFileSync(join(folder, `${name}.png`), Buffer.from(shot.data, "base64"));
      }
    }
  }
  await call("DELETE", session);
} finally {
  driver.kill();
  server.close();
}
for (const fault of faults) console.log(fault);
console.log(`${pages.length} pages looked at, ${faults.length} faults`);
process.exitCode = faults.length ? 1 : 0;

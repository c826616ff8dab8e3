// What both ways of playing share: a page for the browser, processes of mezzo, and a player that is watched.
import { spawn } from 'node:child_process';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createSocket } from 'node:dgram';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const HERE = dirname(fileURLToPath(import.meta.url));
export const FEED = { width: 1280, height: 720, rate: 30 };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript' };
/// How long a rung that was asked for may take until it is shown.
const SWITCH = 20;

export const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/// Serves the page, and the players from node_modules.
export function files() {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, 'http://x').pathname).replace(/^\/modules\//, '/node_modules/');
    const file = join(HERE, path === '/' ? 'page.html' : path);
    if (!existsSync(file) || !statSync(file).isFile()) return response.writeHead(path === '/favicon.ico' ? 204 : 404).end();
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
    createReadStream(file).pipe(response);
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done({ server, url: `http://127.0.0.1:${server.address().port}` })));
}

/// A port that nobody has now.
export const freePort = () =>
  new Promise((done) => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => done(port));
    });
  });

/// Processes of mezzo; what they say is shown only where they fail.
export class Processes {
  constructor(binary) {
    [this.binary, this.children, this.said] = [binary, new Set(), []];
    // Nothing is left behind, however this ends.
    process.on('exit', () => this.children.forEach((child) => child.kill('SIGKILL')));
  }

  start(...argv) {
    const child = spawn(this.binary, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (text) => this.said.push(String(text)));
    child.gone = new Promise((done) => child.on('exit', (code) => (this.children.delete(child), done(code))));
    this.children.add(child);
    return child;
  }

  /// The address that it says it listens at.
  address(child) {
    let own = '';
    return new Promise((done, failed) => {
      child.stderr.on('data', (text) => {
        own += text;
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(own);
        if (found) done(found[0]);
      });
      child.gone.then((code) => failed(new Error(`mezzo ended with ${code}:\n${own}`)));
    });
  }

  async end(child, signal = 'SIGTERM') {
    child.kill(signal);
    await child.gone;
  }

  /// The last that was started first.
  async stop() {
    for (const child of [...this.children].reverse()) await this.end(child);
  }
}

/// Waits until `url` answers well.
export async function answers(url, said) {
  for (let n = 0; n < 300; n++) {
    const answer = await fetch(url).catch(() => null);
    if (answer?.ok) return answer;
    await sleep(0.1);
  }
  throw new Error(`${url} is not ready within 30 s:\n${said.join('')}`);
}

export const browse = (executablePath) =>
  chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required', '--disable-background-timer-throttling', '--disable-renderer-backgrounding'],
  });

/// Plays, while `meanwhile` takes its time with what can be asked of the player, and says what was wrong.
export async function play(browser, pages, origin, how, low, meanwhile, shot) {
  const page = await browser.newPage();
  const wrong = [];
  page.on('console', (message) => message.type() === 'error' && wrong.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => wrong.push(`page: ${error.message}`));
  page.on('response', (response) => response.status() >= 400 && wrong.push(`${response.status()}: ${response.url()}`));
  const query = new URLSearchParams({ how, origin, low: String(low), ...FEED });
  await page.goto(`${pages}/page.html?${query}`);
  const until = (what, limit) => page.waitForFunction(what, null, { timeout: limit * 1000, polling: 100 });
  try {
    await until('window.report.playing && window.report.samples.length > 0', 30);
    await meanwhile({
      heights: () => page.evaluate(() => window.heights?.() ?? []),
      show: async (height) => {
        await page.evaluate((h) => window.show(h), height);
        await until(`window.report.samples.at(-1).height === ${height}`, SWITCH).catch(() => wrong.push(`rung ${height}p was not shown within ${SWITCH} s`));
      },
    });
  } catch (error) {
    wrong.push(error.message.split('\n')[0]);
  }
  if (shot) await page.screenshot({ path: shot });
  const report = await page.evaluate(() => window.report);
  await page.close();
  const latencies = report.samples.map((s) => s.latency).sort((a, b) => a - b);
  const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))];
  const shown = [...new Set(report.samples.map((s) => s.height))].sort((a, b) => a - b);
  wrong.push(...report.errors, ...report.stalls.map((s) => `stalled at ${s.time.toFixed(2)} s of ${s.height}p, with ${s.buffered || 'nothing'} there`));
  const back = report.samples.filter((s, i, all) => i > 0 && s.slot < all[i - 1].slot).length;
  if (back) wrong.push(`${back} pictures are older than the one before them`);
  const slots = report.samples.map((s) => s.slot);
  return { how, shown, samples: latencies.length, seconds: (slots.at(-1) - slots[0]) / FEED.rate, latency: { p05: at(0.05), p50: at(0.5), p95: at(0.95) }, wrong };
}

/// One line of what came of it, and what was wrong below.
export function tell(what, { latency, shown, wrong }) {
  const time = (t) => t?.toFixed(2) ?? '-';
  console.log(`${what}: ${wrong.length ? 'WRONG' : 'good'}; shown ${shown.map((h) => `${h}p`).join(' ')}; behind the feed ${time(latency.p50)} s (5 %: ${time(latency.p05)}, 95 %: ${time(latency.p95)})`);
  [...new Set(wrong)].slice(0, 12).forEach((line) => console.log(`  ${line}`));
}

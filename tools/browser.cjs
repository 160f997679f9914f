// Ouvre des pages dans le Chromium du système et dit ce qu'un étudiant y aurait vu. Entrée et sortie : du JSON.
const { chromium } = require("playwright-core");

const SETTLE_MS = 1500; // le temps des requêtes que la page lance une fois affichée

async function visit(context, { url, expect, clicks, screenshot }, timeout) {
  const page = await context.newPage();
  const failures = [];
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("response", (response) => {
    if (response.status() >= 400) failures.push(`${response.status()} ${response.url()}`);
  });
  page.on("requestfailed", (request) => {
    const { errorText } = request.failure();
    // Une page abandonne elle-même les requêtes qui ne lui servent plus.
    if (errorText !== "net::ERR_ABORTED") failures.push(`${errorText} ${request.url()}`);
  });
  page.on("websocket", (socket) => socket.on("socketerror", (error) => failures.push(`${error} ${socket.url()}`)));
  page.on("pageerror", (error) => failures.push(`exception : ${error.message}`));
  let seen = true;
  try {
    await page.goto(url, { timeout, waitUntil: "load" });
    await page.getByText(expect).first().waitFor({ timeout });
    for (const selector of clicks) await page.locator(selector).first().click({ timeout });
  } catch (error) {
    seen = false;
    failures.push(error.message.split("\n")[0]);
  }
  await page.waitForTimeout(SETTLE_MS);
  if (screenshot) await page.screenshot({ path: screenshot });
  const text = await page.evaluate(() => document.body.innerText).catch(() => "");
  await page.close();
  return { url, seen, text, failures, hosts: [...new Set(requests.map((one) => new URL(one).host).filter(Boolean))] };
}

async function main() {
  const { pages, executable, options, timeout, viewport } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const browser = await chromium.launch({ executablePath: executable, args: options });
  const context = await browser.newContext({ viewport });
  const reports = [];
  for (const page of pages) reports.push(await visit(context, page, timeout));
  await browser.close();
  console.log(JSON.stringify(reports));
}

main();

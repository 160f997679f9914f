// Affiche chaque slide dans le Chromium du système et dit ce qui n'y tient pas. Entrée et sortie : du JSON.
const { chromium } = require("playwright-core");

const SMALLEST = 20; // pixels sur une page de 1280 : en dessous, le fond de la salle ne lit plus

// Exécutée dans la page. Les marges sont au bandeau et au numéro : le reste tient entre elles.
function measure({ number, smallest }) {
  const section = document.querySelectorAll("svg[data-marpit-svg] section")[number];
  const page = section.getBoundingClientRect();
  const style = getComputedStyle(section);
  const inner = {
    left: page.left,
    right: page.right - parseFloat(style.paddingRight),
    top: page.top + parseFloat(style.paddingTop),
    bottom: page.bottom - parseFloat(style.paddingBottom),
  };
  const problems = [];
  const inside = (rect, box) =>
    rect.left >= box.left - 1 && rect.right <= box.right + 1 && rect.top >= box.top - 1 && rect.bottom <= box.bottom + 1;
  // À un pixel près : les hauteurs sont arrondies.
  if (section.scrollHeight > section.clientHeight + 1 || section.scrollWidth > section.clientWidth + 1)
    problems.push(`le contenu (${section.scrollWidth} × ${section.scrollHeight}) dépasse la page`);
  const pageNumber = getComputedStyle(section, "::after");
  if (parseFloat(pageNumber.bottom) + parseFloat(pageNumber.height) > parseFloat(style.paddingBottom))
    problems.push("le numéro de page recouvre le contenu");
  for (const element of section.querySelectorAll("*")) {
    const rect = element.getBoundingClientRect();
    if (!rect.width && !rect.height) continue;
    const label = `<${element.tagName.toLowerCase()}> « ${element.textContent.trim().slice(0, 40)} »`;
    const margin = element.closest("header, footer");
    if (!inside(rect, margin ? page : inner)) problems.push(`${label} sort de la page`);
    const picture = element.closest(".picture svg");
    if (picture && !inside(rect, picture.getBoundingClientRect())) problems.push(`${label} sort de son image`);
    if (element.tagName === "IMG" && !element.naturalWidth) problems.push(`${element.src} ne se charge pas`);
    const owns = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!owns || ["title", "style"].includes(element.tagName.toLowerCase())) continue;
    const scale = picture ? element.getScreenCTM().a : 1;
    const size = parseFloat(getComputedStyle(element).fontSize) * scale;
    if (size < smallest - 0.1) problems.push(`${label} est trop petit (${size.toFixed(1)} px)`);
  }
  return { text: section.innerText, problems };
}

async function main() {
  const { url, executable, options } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const browser = await chromium.launch({ executablePath: executable, args: options });
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  const elsewhere = [];
  page.on("request", (request) => request.url().startsWith("http") && elsewhere.push(request.url()));
  await page.goto(url);
  const count = await page.locator("svg[data-marpit-svg] section").count();
  const slides = [];
  for (let number = 0; number < count; number += 1) {
    await page.goto(`${url}#${number + 1}`);
    await page.locator("svg[data-marpit-svg]").nth(number).waitFor({ state: "visible" });
    slides.push(await page.evaluate(measure, { number, smallest: SMALLEST }));
  }
  await browser.close();
  if (slides.length) slides[0].problems.push(...elsewhere.map((one) => `${one} demande le réseau`));
  console.log(JSON.stringify(slides));
}

main();

import type { ServerFacts } from './facts.ts'

/** The page at `/`: links to what can be asked for. */
export function indexPage(
  server: ServerFacts,
  routes: readonly (readonly [string, string])[],
): string {
  const links = routes
    .map(([path, title]) => `<li><a href=".${escaped(path)}">${escaped(title)}</a></li>`)
    .join('\n')
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escaped(server.name)} · Petiole</title>
<style>body { font: 16px/1.6 system-ui, sans-serif; margin: 2rem } ul { list-style: none; padding: 0 }</style>
</head>
<body>
<h1>${escaped(server.name)}</h1>
<p>Server ${escaped(server.id)}, version ${escaped(server.version)}</p>
<ul>
${links}
</ul>
</body>
</html>
`
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (char) => entities[char] ?? char)
}

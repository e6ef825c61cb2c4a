/** docs/reference/permissions.md: the rights of each role, from the source that `kvferry keys` uses. */
import { type NatsRole, rightsOf, roleMeanings, roles } from '../../src/protocol/permissions.js';

const HEAD = `# NATS permissions of each role

*For operators. What each program may publish and subscribe. Generated from \`src/protocol/permissions.ts\`; \`kvferry keys\` prints the
same table and puts it into the configuration of the server ([guide](../guide/keys.md)).*

NATS replaces \`{{name()}}\` by the name of the user, \`{{tag(agent)}}\` by each agent and \`{{tag(tenant)}}\` by each tenant of the user
([decision 034](../decisions/034-permissions-by-signed-names.md)). \`*\` is any one token, \`>\` is any rest. What is not listed is refused.

- The name of an agent's user is the name of the agent. So it speaks for itself alone.
- Answers come below \`_INBOX_agent.<name>\` to agents, and below \`_INBOX_client.<name>\` to all other programs. Remote keys are among the
  answers to agents, so no other role reads those.
- Agents may publish answers to every inbox. The subject of an answer ends in a random token, which only the agent that was asked knows.
- \`kvferry doctor\` also tries whether its user may read the inboxes of others. NATS logs these attempts as violations.
`;

export function permissionsPage(): string {
  return `${HEAD}\n${roles.map(sectionOf).join('\n\n')}\n`;
}

function sectionOf(role: NatsRole): string {
  const { publish, subscribe } = rightsOf(role);
  const rows = [
    ...publish.map((subject) => `| publish | \`${subject}\` |`),
    ...subscribe.map((subject) => `| subscribe | \`${subject}\` |`),
  ];
  return [`## ${role}`, '', roleMeanings[role], '', '| may | subject |', '|---|---|', ...rows].join('\n');
}

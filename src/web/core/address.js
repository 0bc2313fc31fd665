// Where somebody is, as the query of the page's address: a room or a direct conversation, and perhaps a message there.

import { bareName, bareRoom } from './names.js';
import { isId } from './text.js';

/** `id`: of a message. */
export function queryOf(conv, id = 0) {
  const [kind, name] = conv.kind === 'room' ? ['room', conv.name.slice(1)] : ['with', conv.name];
  return `?${kind}=${encodeURIComponent(name)}${id ? `&message=${id}` : ''}`;
}

/** @returns {{ kind: 'room' | 'direct', name: string, id: number } | null} */
export function placeOf(query) {
  const fields = new URLSearchParams(query), room = bareRoom(fields.get('room') ?? ''), name = room || bareName(fields.get('with') ?? '');
  const id = Number(fields.get('message'));
  return name ? { kind: room ? 'room' : 'direct', name, id: isId(id) ? id : 0 } : null;
}

// What the page says, in Japanese.

export const page = {
  brand: 'チャット', skip: '入力欄へ移動', conversations: '会話', commandList: 'コマンド', rooms: 'ルーム', browse: '一覧',
  directs: 'ダイレクトメッセージ', join: '参加', joinHint: 'ルームに参加・作成', members: 'メンバー',
  help: 'ヘルプ', close: '閉じる', more: 'さらに表示', send: '送信', dismiss: '閉じる',
  search: '検索',
  openRooms: '会話の一覧を開く', changeTopic: 'トピックを変更', noTopic: 'トピックを追加',
  leaveRoom: (room) => `${room} から退出`, closeDirect: 'この会話を閉じる',
  offline: 'オフラインです。送信したメッセージは、再接続後に届けます。',
  retryIn: (s) => `${s} 秒後に再接続`, retry: '今すぐ再接続', connecting: '接続中…', reconnecting: '再接続中…',
  messageTo: (who) => `${who} へのメッセージ`, typing1: (a) => `${a} さんが入力中…`, typing2: (a, b) => `${a} さんと ${b} さんが入力中…`,
  typingMany: '何人かが入力中…', today: '今日', yesterday: '昨日', newMessages: '新着', newRoom: '作成', asking: '参加の申請',
  gap: 'サーバーの保存件数を超えたため、ここで一部のメッセージが抜けています',
  restart: 'サーバーが再起動しました。その間のメッセージは抜けている可能性があり、これより前はこの画面にのみ残っています',
  settings: '設定',
  notLoaded: 'ページの一部を読み込めませんでした。もう一度試すか、ページを再読み込みしてください。',
  loading: '過去のメッセージを読み込み中…', latest: '最新のメッセージへ', latestNew: (n) => `新着 ${n} 件`,
  jump: '移動', markRead: '既読にする', olderGone: 'これより前のメッセージは表示できません。',
  startRoom: (room) => `${room} はここから始まります。`, firstWord: '最初の一言をどうぞ。', startDirect: (name) => `${name} さんとの会話です。この画面にのみ残ります。`,
  blankTitle: 'ルームに参加していません', blankText: 'ルームに参加するか、新しく作って誰かを誘いましょう。',
  comings: { came: (who) => `${who}が参加`, left: (who) => `${who}が退出`, visited: (who) => `${who}が参加して退出`, back: (who) => `${who}が退出して再参加` },
  namesAnd: (names, n) => `${names.map((name) => `${name} さん`).join('、')}${n ? `ほか ${n} 人` : ''}`, manyPeople: (n) => `${n} 人`,
  tookNames: (n) => `${n} 人が名前を変更`, withReason: (n, why) => `${n}（${why}）`,
  renamed: (a, b) => `${a} さんは ${b} に名前を変えました`, topicSet: (n, topic) => `${n} さんがトピックを設定しました：${topic}`, topicCleared: (n) => `${n} さんがトピックを消しました`,
  comma: '、', someone: '誰か',
  queued: '接続を待っています', waiting: '前のメッセージを待っています', sending: '送信中…', unsure: '届いていない可能性があります。', failed: (why) => `送信できませんでした：${why}`,
  again: '再送信', discard: '破棄',
  you: '自分', rename: '名前を変更', chooseName: '名前を決めましょう',
  nameHeld: (wish, now) => `「${wish}」は、切れた接続がまだ使っているようです。今は「${now}」として、引き続き試します。`,
  nameGone: (wish, now) => `「${wish}」は使われています。今の名前は「${now}」です。`,
  filterMembers: 'メンバーを探す', favourite: 'お気に入り', star: (room) => `${room} をお気に入りに追加`, unstar: (room) => `${room} をお気に入りから外す`,
  people: (n) => `${n}`,
  waitOnline: 'オフラインです。',
  moreMembers: (n) => `ほか ${n} 人`, messageMember: (name) => `${name} さんにメッセージ`, unread: (n) => `未読 ${n} 件`,
  removedFrom: (room, why) => `${room} から外れました${why ? `（${why}）` : ''}。`,
  tooLong: (n) => `${n} バイト長すぎます。`, tooManyLines: (n, most) => `${n} 行あります。1 件のメッセージは ${most} 行までです。`,
  copyCode: 'コピー', bytesLeft: (n) => `残り ${n} バイト`, tooBig: 'サーバーの上限より長いメッセージです。',
  showAll: (n) => `全 ${n} 文字を表示`,
};

/** About accounts. */
export const accounts = {
  logIn: 'ログイン', makeAccount: 'アカウントを作る',
  roles: { member: 'アカウント', admin: 'このサーバーの管理者', owner: 'このサーバーのオーナー' },
  guest: 'ゲスト', away: 'オフライン',
  offline: 'オフラインです。再接続後にもう一度お試しください。',
};

/** About private rooms, conversations, what is unread, and order. */
export const people = {
  roomMenu: (room) => `${room} の設定`,
  entryShort: { all: 'だれでも入れます', accounts: 'アカウントのある人が入れます', ask: '申請して入ります', invited: '非公開' },
  archived: 'アーカイブされています。読めますが、書き込めません。', onlyModerators: 'モデレーターだけが書き込めます。',
  roles: { owner: 'オーナー', moderator: 'モデレーター' },
  removed: (by, room, why) => `${by} さんがあなたを ${room} から外しました${why ? `：${why}` : '。'}`,
  removedOther: (by, name, why) => `${by} さんが ${name} さんを外しました${why ? `：${why}` : ''}`,
  gone: 'アカウントはもうありません', startKept: (name) => `${name} さんとの会話です。`,
  hiddenRooms: (n) => `非表示 ${n} 件`, forYou: (n) => `あなた宛て ${n} 件`,
  more: 'その他', moreOf: (name) => `${name} さんについて`, moreOfMessage: (name) => `${name} さんのこのメッセージについて`,
  away: '離席中', ignored: '無視', stub: (n) => `無視している人のメッセージ ${n} 件`,
  messageDeleted: 'メッセージは削除されました',
  elsewhere: '別のタブかウィンドウで戻りました。今の名前はそちらが使っています。',
};

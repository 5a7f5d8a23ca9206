# One sign a line, as a table is read.
# ruff: noqa: E501
"""PostgreSQL's messages in other languages: stems that tell which SQLSTATE it was.

Servers answer in the language of `lc_messages`, and a log does not always carry the code. The stems are of
German, Spanish, French, Italian, Portuguese, Swedish, Polish, Russian, Ukrainian, Georgian, Japanese,
Korean and Chinese, and some of Turkish and Czech.
"""

from syncnb.diagnosing.causes.wording import says

__all__ = ["code_of_text"]

STEMS: tuple[tuple[str, str], ...] = (
    ("55000", r"ON CONFLICT.*(Arbiter|arbitr|árbitro|särskilj|определяющ|визначальн|調停|판별|仲裁)"),
    ("21000", r"(ON CONFLICT DO UPDATE|MERGE).*(zweites Mal|segunda v|deuxième|seconda volta|andra gång|dwa razy|дважды|вдруге|მეორედ|2度|두번째|第二次)"),
    ("42601", r"ON CONFLICT DO UPDATE.*(benötigt|requiere|nécessite|richiede|kräver|требует|потребує|必要|필요)"),
    ("42P10", r"ON.CONFLICT"),
    ("23505", r"(doppelter Schlüssel|Unique.Index .*nicht erstellen|llave duplicada|índice único|clé dupliquée|index unique|chiave duplicat|vincolo univoco|indice univoco|valor da chave|chave duplicada|duplicerat nyckel|unikt index|podwójna wartość klucza|повторяющееся значение|уникальный индекс|повторювані значення|унікальний індекс|დუბლირებული გასაღებ|უნიკალური ინდექს|重複したキー|一意インデックス|중복된 키|고유 인덱스|重复键|唯一索引|重複鍵)"),
    ("42501", r"(Zeilenebene|seguridad de registros|niveau ligne|sicurezza per riga|radsäkerhet|уровне строк|рівні рядків|მწკრივის-დონის|行レベル|로우 단위|行级安全|행 단위)"),
    ("23502", r"(Not-Null-Constraint|restricción de no nulo|contrainte NOT NULL|vincolo non nullo|não-nul|not-null-villkor|ограничение NOT NULL|not-null обмеження|არანულოვან|非NULL制約|not null 제약|非空约束|enthält NULL-Werte|contiene valor(es|i) null|ნულოვან მნიშვნელობ|contient des valeurs NULL|innehåller null|содержит значения NULL|містить null|NULL値があります|null 값이 있습니다|包含空值)"),
    ("23503", r"(Fremdschlüssel|llave foránea|clé\s+étrangère|chiave esterna|chave estrangeira|främmande nyckel|klucza obcego|внешнего ключа|зовнішнього ключа|გარე გასაღებ|外部キー|참조키|外键约束|外來鍵)"),
    ("23514", r"(Check-Constraint|restricción «?check|contrainte de vérification|vincolo di controllo|restrição de verificação|check-villkor|ограничение-проверку|перевірне|შემოწმების შეზღუდვ|検査制約|체크 제약|检查约束)"),
    ("25006", r"(Read-Only-Transaktion|transacción de sólo lectura|lecture seule|sola lettura|somente leitura|read-only-transaktion|только чтение|лише для читання|リードオンリー|읽기 전용|只读)"),
    ("25P02", r"(Transaktion wurde abgebrochen|transacción abortada|la transaction est annulée|transazione corrente è interrotta|transação atual foi interrompida|transaktionen har avbrutits|транзакция прервана|транзакція перервана|トランザクションがアボート|트랜잭션은 중지|事务被终止|當前交易)"),
    ("40P01", r"(Verklemmung|deadlock|interblocage|взаимоблокировк|взаємне блокування|ურთიერთბლოკირ|デッドロック|死锁|zakleszczenie)"),
    ("40001", r"(serialisieren|serializar el acceso|sérialiser|serializzazione|serialisera|сериализовать|серіалізувати|სერიალიზაცია|直列化|순차적 액세스|串行访问)"),
    ("55P03", r"(Zeitüberschreitung einer Sperre|espera de candados|obtention des verrous|timeout di lock|lås-timeout|тайм-аута блокировки|тайм-аут блокування|ბლოკის მოლოდინის|ロックのタイムアウト|잠금 대기|锁超时)"),
    ("57014", r"(Zeitüberschreitung der Anfrage|espera de sentencias|exécution de l'instruction|a causa di timeout|sats-timeout|из-за тайм-аута|через тайм-аут|ステートメントのタイムアウト|명령실행시간 초과|执行超时)"),
    ("22001", r"(zu lang für Typ|demasiado largo|trop longue|troppo lungo|muito longo|för långt|za długa|не умещается|занадто довге|長すぎます|너무 긴|太长了)"),
    ("22008", r"(Datum/Zeit-Feldwert|hora/fecha fuera|champ date/time|campo date/time|datum/tid-värde|типа date/time вне|дата/час поза|დროის/თარიღის|日付時刻のフィールドが範囲外|날짜/시간 필드의 값|日期/时间值超出)"),
    ("22003", r"(außerhalb des gültigen Bereichs|fuera de rango|en dehors des limites|fuori dall'intervallo|fora do intervalo|utanför giltigt intervall|вне диапазона|поза діапазоном|დიაპაზონს გარეთ|の範囲外です|범위를 벗어남|超出范围)"),
    ("22P02", r"(ungültige Eingabesyntax|sintaxis de entrada no|syntaxe en entrée invalide|sintassi di input non valida|sintaxe de entrada|ogiltig indatasyntax|неверный синтаксис для типа|неприпустимий синтаксис для типу|არასწორი შეყვანის სინტაქს|入力構文が不正|잘못된 입력|输入语法)"),
    ("428C9", r"(außer DEFAULT|no-predeterminado|pas par défaut|non DEFAULT|icke-DEFAULT|только значение по умолчанию|non-DEFAULT|非デフォルト)"),
    ("42804", r"(aber der Ausdruck|pero la expresión|mais l'expression|ma l'espressione|mas expressão|men uttrycket|а выражение|а вираз|式は型|표현식은|但表达式)"),
    ("42P07", r"(existiert bereits|ya existe|existe déjà|esiste già|já existe|finns redan|już istnieje|уже существует|вже існує|უკვე არსებობს|すでに存在します|이미 있습니다|已经存在)"),
    ("42703", r"(Spalte .*existiert nicht|no existe la columna|la colonne .*n'existe pas|colonna .*non esiste|coluna .*não existe|kolumn.*existerar inte|kolumna .*nie istnieje|столбец .*не существует|стовпець .*не існує|სვეტი .*არ არსებობს|列.*存在しません|칼럼.*없음|字段不存在)"),
    ("42P01", r"(Relation .*existiert nicht|no existe la relación|la relation .*n'existe pas|la relazione .*non esiste|relação .*não existe|relationen .*existerar inte|relacja .*nie istnieje|отношение .*не существует|відношення .*не існує|ურთიერთობა .*არ არსებობს|リレーション.*存在しません|릴레이션.*없습니다|关系 .*不存在)"),
    ("23505", r"(tekrar eden|tekil kısıt|benzersiz kısıt|duplicitní|unikátní omezení|duplikat|מפתח כפול)"),
    ("23502", r"\bnull\b.*\bnot[ -]null\b|\bnot[ -]null\b.*\bnull\b"),
    ("23503", r"foreign key|cizí(ho|ch)? klíč"),
    ("42501", r"(erişim engellendi|přístup odmítnut)"),
    ("42501", r"(keine Berechtigung|permiso denegado|droit refusé|permesso negato|permissão negada|rättighet saknas|odmowa dostępu|нет доступа|немає дозволу|წვდომა აკრძალულია|アクセスが拒否|권한 없음|权限不够)"),
)  # fmt: skip
"""Tried in this order: a sentence about a key or check comes before the plain "does not exist"."""


def code_of_text(text: str) -> str | None:
    """The SQLSTATE of a message that is not in English; None where nothing is recognised."""
    flat = " ".join(text.lower().split())
    return next((code for code, stems in STEMS if says(stems, flat)), None)

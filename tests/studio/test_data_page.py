"""The data page in a real browser: rows, paths, calibration, scripts, uploads, lost lines."""

import json
import subprocess
import sys
import threading

import polars as pl
import pytest
import xlsxwriter

from fathom.studio.processes import begun_at
from fathom.studio.row_messages import PathWish
from fathom.studio.serving import Served

DARK_PHONE = {"width": 390, "height": 844, "color_scheme": "dark", "locale": "zh-CN"}


@pytest.fixture
def place(searched):
    return f"#/data/{searched.folder.name}"


def test_from_a_cell_to_its_rows_to_the_reason_of_a_number(
    opened_at, finished, searched, place, violations
):
    window = opened_at(finished, place)
    page = window.page
    rows = page.get_by_test_id("rows")
    cell = rows.locator("button.cell:enabled").first
    count = int(cell.inner_text())
    cell.click()
    rows.locator("td.value").first.wait_for()
    assert rows.locator("tbody tr.followed, .list tbody tr").count() == count
    opener = rows.get_by_role("button", name="Follow row").first
    number = int(opener.inner_text())
    opener.focus()
    page.keyboard.press("Enter")
    path = page.get_by_test_id("path")
    path.get_by_text("Its path, layer by layer").wait_for()
    assert page.evaluate("document.activeElement.textContent") == f"Row {number}"
    reason = path.get_by_test_id("reason")
    reason.locator("tr.result").wait_for()
    assert "softmax" in reason.inner_text()
    row = pl.read_parquet(searched.folder / "test.parquet")[number - 1]
    said = searched.model.predict_proba(row)[0]
    assert f"{100 * said.max():.1f}%" in path.locator(".answer").inner_text()
    ask_for_reasons(page, path)
    assert violations(page) == []
    assert window.sticks_out() == []
    path.get_by_role("button", name="Change its values").click()
    whatif = page.get_by_test_id("whatif")
    age = whatif.get_by_role("textbox").first
    assert age.input_value() == row["age"][0]
    share = f"{100 * said[0]:.1f}%"
    whatif.locator(".class b").first.get_by_text(share).wait_for()
    path.get_by_role("button", name="Close").click()
    assert page.evaluate("document.activeElement.textContent").strip() == str(number)
    rows.get_by_role("button", name="Show the rows it is most wrong about").click()
    rows.get_by_text("most wrong about, of").wait_for()


def ask_for_reasons(page, path):
    """Ask for numbers of the input and the output, what they are made of, and another network."""
    reason = path.get_by_test_id("reason")
    first = path.get_by_test_id("layer-input").locator("button").first
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    reason.get_by_text("input.2").first.wait_for()
    output = path.get_by_test_id("layer-output").locator("button").first
    output.click()
    reason.get_by_text("output.neuron1.a", exact=True).first.wait_for()
    reason.locator("td.note button").first.click()  # what it is made of
    reason.get_by_label("Asked so far").wait_for()
    alone = path.locator(".networks tbody button")
    if alone.count() > 1:
        alone.last.click()
        path.locator(".networks tr.chosen:last-child").wait_for()
        reason.locator("tr.result").wait_for()


def test_calibration_and_scripts_in_chinese_on_a_dark_phone(
    opened_at, finished, place, spending, violations, tmp_path
):
    window = opened_at(finished, place, **DARK_PHONE)
    page = window.page
    diagram = page.get_by_test_id("calibration")
    diagram.locator("circle").first.wait_for()
    assert "期望校准误差" in diagram.get_by_test_id("ece").inner_text()
    diagram.get_by_text("以表格显示").click()
    counts = diagram.locator("tbody tr td:last-child").all_inner_texts()
    assert sum(map(int, counts)) == 48
    page.get_by_label("age", exact=True).fill("44")
    page.get_by_test_id("rows").get_by_role("button", name="显示错得最厉害的行").click()
    page.get_by_test_id("rows").get_by_role("button", name="跟随第").first.click()
    page.get_by_test_id("path").locator("tr.result").wait_for()
    scripts = page.get_by_test_id("scripts")
    scripts.locator("summary").click()
    text = scripts.get_by_test_id("script")
    text.get_by_text("open_model").first.wait_for()
    assert "'age': '44'" in text.inner_text()
    assert "再做一遍" in text.inner_text()
    with page.expect_download() as saved:
        scripts.get_by_role("button", name="下载").click()
    saved.value.save_as(tmp_path / "script.py")
    assert (tmp_path / "script.py").read_text(encoding="utf-8").strip() == text.inner_text().strip()
    scripts.get_by_role("button", name="在终端里").click()
    text.get_by_text("fathom train train.parquet").wait_for()
    with page.expect_download() as rows:
        scripts.get_by_role("link", name="留出的行").click()
    rows.value.save_as(tmp_path / "test.parquet")
    assert pl.read_parquet(tmp_path / "test.parquet").height == 48
    page.evaluate("(place) => (location.hash = place)", spending)
    spread = page.get_by_test_id("spread")
    spread.locator("circle.mean").first.wait_for()
    assert spread.get_by_text("48 行中，一半与预测相差不超过").count() == 1
    spread.get_by_text("以表格显示").click()
    counts = spread.locator("tbody tr td:last-child").all_inner_texts()
    assert sum(map(int, counts)) == spread.locator("circle.one").count() == 48
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert window.sticks_out() == []


def test_files_of_other_formats_are_dropped_and_damaged_ones_refused(opened_at, served, tmp_path):
    frame = pl.DataFrame({"x": range(60), "label": ["a", "b"] * 30})
    frame.write_parquet(tmp_path / "rows.parquet")
    frame.write_excel(tmp_path / "rows.xlsx")
    (tmp_path / "cut.xlsx").write_bytes((tmp_path / "rows.xlsx").read_bytes()[:-300])
    window = opened_at(served, "#/data")
    page = window.page
    for name in ("rows.parquet", "rows.xlsx"):
        page.set_input_files(".choose input", tmp_path / name)
        page.get_by_role("heading", name=name).wait_for()
        assert page.get_by_test_id("target").input_value() == "label"
    assert page.get_by_test_id("sheet").count() == 0
    with xlsxwriter.Workbook(tmp_path / "year.xlsx") as book:
        book.add_worksheet("About").write(0, 0, "The year")
        frame.write_excel(book, "March")
        frame[:50].select("label", price="x").write_excel(book, "April")
    page.set_input_files(".choose input", tmp_path / "year.xlsx")
    sheet = page.get_by_test_id("sheet")
    page.get_by_text("60 rows, 2 columns", exact=True).wait_for()
    assert sheet.input_value() == "March"  # the first holds no table
    sheet.select_option("April")
    page.get_by_text("50 rows, 2 columns", exact=True).wait_for()
    assert page.get_by_test_id("target").input_value() == "price"
    sheet.select_option("About")
    page.get_by_role("alert").get_by_text("year.xlsx, which has no data rows").wait_for()
    assert sheet.input_value() == "April"
    window.said.clear()  # the browser tells of the 422
    page.locator("header button").first.click()
    page.set_input_files(".choose input", tmp_path / "cut.xlsx")
    page.get_by_role("alert").get_by_text("需要完整的 Excel 文件，得到的是cut.xlsx").wait_for()
    window.said.clear()  # the browser tells of the 422


@pytest.fixture
def going(searched, tmp_path):
    """Return a studio of its own with a search that goes on as long as its process lives."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder = tmp_path / "studio" / "jobs" / f"{7:016x}"
    folder.mkdir(parents=True)
    update = {"process": process.pid, "process_began": begun_at(process.pid)}
    ticket = searched.ticket.model_copy(update=update)
    (folder / "ticket.json").write_text(ticket.model_dump_json())
    (folder / "events.jsonl").touch()
    yield folder, process
    process.stdin.close()
    process.wait(20)


def serve(folder, port=0):
    one = Served(folder, port)
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    return one, thread


def close(served, thread):
    served.close()
    thread.join(20)
    assert not thread.is_alive()


def tell(folder, *numbers):
    with (folder / "events.jsonl").open("a") as file:
        for number in numbers:
            event = {"event": "network", "number": number, "status": "begun", "structure": "first"}
            file.write(json.dumps(event) + "\n")


def wait_for_tried(page, n):
    page.wait_for_function(
        "(n) => document.querySelector('[data-testid=tried]')?.textContent === n", arg=str(n)
    )


def test_a_lost_line_and_a_studio_started_anew_lose_nothing(opened_at, served, going):
    assert served  # what another studio loads is loaded already
    folder, process = going
    tell(folder, 1, 2, 3)
    studio, thread = serve(folder.parents[1])
    window = opened_at(studio, f"#/data/{folder.name}")
    page, asked = window.page, []
    page.on("request", lambda one: asked.append(one.url) if "/events" in one.url else None)
    wait_for_tried(page, 3)
    page.reload()  # in the middle of it
    wait_for_tried(page, 3)
    assert asked[-1].endswith("/events?after=0")
    for one in list(studio._server.server_state.connections):  # the line is cut, the studio lives
        one.loop.call_soon_threadsafe(one.transport.abort)
    while not asked[-1].endswith("/events?after=3"):  # it goes on where it was
        page.wait_for_timeout(50)
    tell(folder, 4, 5)
    wait_for_tried(page, 5)
    close(studio, thread)
    banner = page.get_by_test_id("connection")
    banner.get_by_text("The connection to the studio is lost.").wait_for()
    tell(folder, 6)
    anew, thread = serve(folder.parents[1], studio.port)
    banner.get_by_text("The studio was started anew.").wait_for()
    assert page.get_by_test_id("tried").text_content() == "5"  # what was known still stands
    link = window.anew()
    link.goto(anew.link)
    link.wait_for_selector('svg.network [data-name="output.neuron2.a"]', state="attached")
    wait_for_tried(page, 6)
    banner.wait_for(state="detached")
    assert asked[-1].endswith("/events?after=5")  # nothing is told twice
    process.stdin.close()
    process.wait(20)
    page.wait_for_selector("[data-testid=state].failed")  # its process ended without a model
    window.said.clear()  # the browser tells of every line that was lost
    close(anew, thread)
    window.said.clear()


def test_paths_wait_for_each_other_and_refuse_what_is_none(client, finished, searched):
    name = searched.folder.name
    status, _, said = client.ask("POST", f"/api/jobs/{name}/path", {"row": 10_000})
    assert (status, said["got"]) == (422, "row 10001")
    assert said["zh"] != ""
    status, _, said = client.ask("POST", f"/api/jobs/{name}/why", {"row": 0, "name": "x" * 300})
    assert status == 422
    for path in (
        "files/ticket.json",
        "files/..%2fticket.json",
        "rows?truth=0",
        "rows?truth=%D9%A3&prediction=0",
    ):
        assert client.ask("GET", f"/api/jobs/{name}/{path}")[0] in (404, 422)
    status, headers, _ = client.ask("GET", f"/api/jobs/{name}/files/train.parquet")
    assert (status, "train.parquet" in headers["content-disposition"]) == (200, True)
    assert PathWish(row=0).member == 0

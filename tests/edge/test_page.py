"""The sandbox's page: what a person sees and can do, with and without JavaScript."""

from pathlib import Path

import aiohttp
import pytest

from services.sandbox.server import SandboxServer
from tests.chromium import chromium
from tests.edge.conftest import MAILBOX, NUMBER, Rig, mail, text


async def _page(sandbox: SandboxServer) -> str:
    async with aiohttp.ClientSession() as session, session.get(sandbox.addresses.page) as response:
        assert response.status == 200
        return await response.text()


async def test_the_page_shows_texts_and_mail_without_any_script(rig: Rig, sandbox: SandboxServer) -> None:
    assert "No text has arrived yet." in await _page(sandbox)
    await rig.dialled(text(body="<b>مرحبا</b> & hello"))
    await rig.dialled(mail())
    page = await _page(sandbox)
    assert '<p class="bubble" dir="auto">&lt;b&gt;مرحبا&lt;/b&gt; &amp; hello</p>' in page
    assert 'http-equiv="refresh"' in page
    assert '<span class="subject" lang="es" dir="auto">Approved</span>' in page
    assert 'sandbox="allow-same-origin" srcdoc="&lt;html lang=&#39;es&#39;&gt;' in page
    assert MAILBOX in page


async def test_a_form_without_script_replies_and_returns_to_the_page(rig: Rig, sandbox: SandboxServer) -> None:
    await rig.dialled(text())
    async with aiohttp.ClientSession() as session:
        form = {"number": NUMBER, "word": "STOP"}
        async with session.post(f"{sandbox.addresses.page}replies", data=form, allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/")
        async with session.post(f"{sandbox.addresses.page}replies", data={"number": "+13125550999"}) as response:
            assert response.status == 404
    assert [sms.body for sms in sandbox.world.phones.conversation(NUMBER)][-1] == "STOP"


async def test_faults_are_set_and_cleared_on_the_page(rig: Rig, sandbox: SandboxServer) -> None:
    url = sandbox.addresses.page
    async with aiohttp.ClientSession() as session:
        form = {"name": "reject", "detail": "21614", "to": NUMBER, "times": "1"}
        async with session.post(f"{url}faults", data=form) as response:
            assert "reject:21614 for" in await response.text()
        async with session.post(f"{url}faults", data={"name": "late", "detail": "soon"}) as response:
            assert response.status == 400
            assert "whole seconds" in await response.text()
        assert (await rig.dialled(text())).code == "21614"
        assert (await rig.dialled(text())).result == "accepted"
        await session.post(f"{url}faults", data={"name": "429"})
        await session.post(f"{url}faults/clear")
    assert (await rig.dialled(text())).result == "accepted"


async def test_another_site_cannot_press_the_buttons(sandbox: SandboxServer) -> None:
    async with aiohttp.ClientSession() as session:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example.com"}):
            async with session.post(f"{sandbox.addresses.page}faults/clear", headers=headers) as response:
                assert response.status == 403


@pytest.mark.browser
async def test_a_text_appears_by_itself_and_a_person_answers_stop(
    rig: Rig, sandbox: SandboxServer, tmp_path: Path
) -> None:
    async with chromium(tmp_path / "chromium") as tab:
        await tab.open(sandbox.addresses.page)
        await tab.run("window.untouched = true")
        await rig.dialled(text(body="TSA PreCheck: we got your application."))
        await tab.wait_for("document.querySelector('.bubble')?.innerText.includes('we got your application')")
        await tab.run("document.querySelector('[data-keep]').value = 'half a sent'")
        await rig.dialled(text(body="TSA PreCheck: approved."))
        await tab.wait_for("document.querySelectorAll('.bubble').length == 2")
        assert await tab.run("document.querySelector('[data-keep]').value") == "half a sent"
        await tab.run("document.querySelector('.word[value=STOP]').click()")
        await tab.wait_for("document.querySelector('.own .bubble')?.innerText == 'STOP'")
        assert await tab.run("window.untouched")
        assert len(await tab.screenshot()) > 10_000


@pytest.mark.browser
async def test_mail_is_shown_whole_and_runs_nothing(rig: Rig, sandbox: SandboxServer, tmp_path: Path) -> None:
    claim = mail(subject="Hola")
    body = claim.message.html + "<script>parent.owned = true</script><img src=x onerror='parent.owned = true'>"  # type: ignore[union-attr]
    import msgspec

    await rig.dialled(msgspec.structs.replace(claim, message=msgspec.structs.replace(claim.message, html=body)))
    async with chromium(tmp_path / "chromium") as tab:
        await tab.open(sandbox.addresses.page)
        await tab.wait_for(
            "document.querySelector('iframe.mail')?.contentDocument?.body?.innerText.includes('Aprobado')"
        )
        assert await tab.run("window.owned") is None
        assert await tab.run("document.querySelector('details.letter').open")


@pytest.mark.browser
async def test_a_long_mail_is_shown_to_its_last_line_in_any_width(
    rig: Rig, sandbox: SandboxServer, tmp_path: Path
) -> None:
    claim = mail(subject="Largo")
    html = (
        "<html lang='es'><body>"
        + "<p>Una frase larga que se parte en varias filas.</p>" * 60
        + "<p>Fin</p></body></html>"
    )
    import msgspec

    await rig.dialled(msgspec.structs.replace(claim, message=msgspec.structs.replace(claim.message, html=html)))
    whole = """(() => {
      const frame = document.querySelector("iframe.mail"), page = frame.contentDocument;
      const last = page.querySelector("p:last-of-type").getBoundingClientRect();
      return last.height > 0 && last.bottom <= frame.clientHeight && frame.clientHeight < last.bottom + 60;
    })()"""
    async with chromium(tmp_path / "chromium") as tab:
        await tab.open(sandbox.addresses.page)
        await tab.wait_for("document.querySelector('iframe.mail')?.contentDocument?.body?.innerText.includes('Fin')")
        await tab.wait_for(whole)
        for width in (330, 1200):
            await tab.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=False
            )
            await tab.wait_for(whole)
